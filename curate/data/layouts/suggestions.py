"""What to write in curate.toml for a folder whose layout is not known."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from curate.data.layouts import patterns
from curate.data.png import peek_colour_type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUM_NAMES: Final = 6
"""Names that a message shows."""
_MAX_KINDS: Final = 12
"""Kinds of files that are tried as images, and as labels."""
_LABEL_WORDS: Final = re.compile(
    "seg|label|mask|annot|class|gt|semantic|sem|index|id|truth|ann", re.IGNORECASE
)
_IMAGE_WORDS: Final = re.compile("rgb|img|image|camera|colou?r|left|photo|frame|raw", re.IGNORECASE)
_LOSSY: Final = ("jpg", "jpeg", "jpe", "jfif")
_NO_LABELS: Final = {
    **dict.fromkeys(_LOSSY, "JPEG changes ids and colours along edges. Make them anew as PNG"),
    **dict.fromkeys(("npy", "npz", "gif", "mat", "exr"), "Store them as PNG, one id a pixel"),
    **dict.fromkeys(("json", "xml", "txt"), "Draw their outlines into PNG files, one id a pixel"),
}
"""Suffixes that labels may have but that are not read as labels -> what to do."""
_SEPARATORS: Final = "_-. "
_TOKEN: Final = re.compile(r"\d+|[^\d]")


def suggest(root: Path, sample: list[str]) -> str:
    """Show the first names, the endings that were seen, and two lines that would read the folder.

    Parameters
    ----------
    sample : list of str
        Paths of files below `root`.
    """
    if not sample:
        return "It holds no files."
    suffixes = Counter(_suffix(path) or "(none)" for path in sample)
    endings = ", ".join(f".{suffix} {count:,}" for suffix, count in suffixes.most_common(8))
    shown = _spread(sample, _NUM_NAMES)
    lines = ["It holds, for example:", *(f"  {path}" for path in shown), f"Endings: {endings}."]
    found = guess(root, sample)
    advice = found and _NO_LABELS.get(_suffix(found[1]))
    if found and advice:
        lines.append(f"Its labels seem to be {found[1]}, which are not read. {advice}.")
        return "\n".join(lines)
    if found is not None:
        lines.append(
            "These two lines of curate.toml would read it; mend them where they are wrong:"
        )
    else:
        found = ("{scene}/rgb/{n}.jpg", "{scene}/classes/{n}.png")
        lines.append(
            "Two lines of curate.toml say where images and labels are, as in this example:"
        )
    image, label = found
    lines += [
        f'  image = "{image}"',
        f'  label = "{label}"',
        "Braces stand for any text, the same in both. For check, score and audit:",
        f"  --image-pattern '{image}' --label-pattern '{label}'",
    ]
    return "\n".join(lines)


def guess(root: Path, sample: list[str]) -> tuple[str, str] | None:
    """Guess the patterns of images and labels from names; None where no pair fits.

    The labels may be of a kind that is not read, where those that are fit less.
    """
    known = {*patterns.IMAGE_SUFFIXES, *patterns.LABEL_SUFFIXES, *_NO_LABELS}
    pictures = [path for path in sample if _suffix(path) in known]
    kinds: dict[str, list[str]] = {}
    for path in pictures:
        kinds.setdefault(_kind(path), []).append(path)
    ranked = sorted(kinds.values(), key=lambda paths: (-len(paths), paths))[:_MAX_KINDS]
    best: tuple[float, str, str] | None = None
    for images in ranked:
        for labels in ranked:
            if images is labels or _suffix(images[0]) not in patterns.IMAGE_SUFFIXES:
                continue
            for image, label in _align(images, labels):
                worth = _worth(root, images, labels, image, label)
                if worth > 0 and (best is None or worth > best[0]):
                    best = worth, image, label
    return best and best[1:]


def _worth(root: Path, images: list[str], labels: list[str], image: str, label: str) -> float:
    """Tell how good a guess is: the share of images with a label, and what names and files say."""
    suffix = _suffix(labels[0])
    one = patterns.Pattern(image, patterns.IMAGE_SUFFIXES)
    other = patterns.Pattern(label, (*patterns.LABEL_SUFFIXES, suffix))
    if set(one.names) != set(other.names):
        return 0.0
    there = {path.rpartition(".")[0] for path in labels}
    values = [one.match(path.rpartition(".")[0]) for path in images]
    filled = [value and other.fill(one.names, value) for value in values]
    pairs = sum(stem in there for stem in filled)
    if pairs < min(2, len(images)):  # what one name has in common with one other is chance
        return 0.0
    worth = pairs / max(len(images), len(labels))
    worth += 0.5 * bool(_LABEL_WORDS.search(label)) - 0.5 * bool(_LABEL_WORDS.search(image))
    worth += 0.5 * bool(_IMAGE_WORDS.search(image)) - 0.25 * bool(_IMAGE_WORDS.search(label))
    is_read = suffix in patterns.LABEL_SUFFIXES
    has_ids = is_read and peek_colour_type(root / labels[0]) in (0, 3)  # grey, or a palette
    return worth + 0.5 * (_suffix(images[0]) in _LOSSY) + 0.5 * has_ids + 0.5 * is_read + 1


def _align(images: list[str], labels: list[str]) -> Iterator[tuple[str, str]]:
    """Yield patterns for two kinds of files: what varies and is common to both is a place."""
    image, label = images[0], labels[0]
    stem, other = image.rpartition(".")[0], label.rpartition(".")[0]
    folders, other_folders = stem.split("/")[:-1], other.split("/")[:-1]
    name, other_name = stem.rpartition("/")[2], other.rpartition("/")[2]
    if len(folders) == len(other_folders):
        varies = [
            len({path.split("/")[place] for path in (*images, *labels)}) > 1
            for place in range(len(folders))
        ]
        pairs = zip(folders, other_folders, varies, strict=True)
        parts = [
            (f"{{part{place}}}", f"{{part{place}}}") if varying and a == b else (a, b)
            for place, (a, b, varying) in enumerate(pairs)
        ]
        start, other_start = ("".join(f"{part[side]}/" for part in parts) for side in (0, 1))
    else:
        start, other_start = ("".join(f"{part}/" for part in f) for f in (folders, other_folders))
    for common in _common(name, other_name):
        place, other_place = name.replace(common, "{n}", 1), other_name.replace(common, "{n}", 1)
        yield (
            f"{start}{place}.{_suffix(image, lower=False)}",
            f"{other_start}{other_place}.{_suffix(label, lower=False)}",
        )


def _common(one: str, other: str) -> Iterator[str]:
    """Yield texts that two names have in common, the longest first; numbers are not cut."""
    tokens = _TOKEN.findall(one)
    found = {
        "".join(tokens[start:end]).strip(_SEPARATORS)
        for start in range(len(tokens))
        for end in range(start + 1, len(tokens) + 1)
    }
    usable = [
        text
        for text in found
        if text and text in other and (any(map(str.isdigit, text)) or text == one or len(text) > 2)
    ]
    yield from sorted(usable, key=lambda text: (-len(text), text))[:4]


def _kind(path: str) -> str:
    """Reduce a path to what files of one kind have in common: no numbers, depth, suffix."""
    name = path.rpartition("/")[2]
    folders = [re.sub(r"\d+", "0", part) for part in path.split("/")[:-1]]
    words = re.sub(r"\d+", "0", name)
    if words == name or len(folders) > 3:
        words = f"*.{_suffix(path)}"
    return "/".join([*folders[-3:], words])


def _spread(items: list[str], count: int) -> list[str]:
    """Pick some of the items, evenly."""
    step = max(1, len(items) // count)
    return items[::step][:count]


def _suffix(path: str, *, lower: bool = True) -> str:
    """Return the suffix of a path without its dot."""
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return (suffix.lower() if lower else suffix) if dot else ""
