"""Patterns: where the images and the labels of a data set are, in the words of file names.

``{scene}/rgb/{camera}/rgb_{n}.jpg``: a name in braces stands for any text, slashes included, and
for the same text wherever it stands in a pair of patterns; ``{}`` does where one is enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from curate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

IMAGE_SUFFIXES: Final = ("png", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "bmp", "webp")
LABEL_SUFFIXES: Final = ("png", "tif", "tiff", "bmp", "webp")
"""Suffixes that are read, the preferred one first."""
CONTAINER_SUFFIXES: Final = ("hdf5",)
"""Suffixes of files that hold an image and its label."""

SPLIT: Final = "split"
SPLITS: Final = (
    "train", "val", "test", "training", "validation", "testing", "valid", "trainval", "minival",
    "train_extra", "test_dev", "dev", "eval",
)  # fmt: skip
"""What folders of splits are called; compared without regard to case."""

_NOT_READ: Final = (*IMAGE_SUFFIXES, "npy", "npz", "exr", "gif", "mat", "hdf5", "h5", "json", "txt")
"""Suffixes that a pattern may end in by mistake."""

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_ALL_SPLITS: Final = "|".join(SPLITS)


@dataclass(frozen=True)
class Pattern:
    """A pattern of paths below a data set.

    Attributes
    ----------
    text : str
        The pattern. Where it names no suffix, all of `suffixes` fit.
    suffixes : tuple of str
        Suffixes that can be read, in lower case.
    one_split : bool
        Whether ``{split}`` stands for one of the folder names in `SPLITS` only.
    """

    text: str
    suffixes: tuple[str, ...]
    one_split: bool = False

    @cached_property
    def stem(self) -> str:
        """The pattern without its suffix."""
        return self.text[: -len(self._suffix) - 1] if self._suffix else self.text

    @cached_property
    def own_suffixes(self) -> frozenset[str]:
        """Suffixes that fit."""
        return frozenset({self._suffix.lower()} if self._suffix else self.suffixes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What stands in braces, each once, in order; '' for ``{}``."""
        return tuple(dict.fromkeys(_PLACE.findall(self.text)))

    @cached_property
    def folder(self) -> str:
        """The folder that all files are below, '' for the data set itself."""
        return self.text.partition("{")[0].rpartition("/")[0]

    @cached_property
    def start(self) -> str:
        """What all paths start with."""
        return self.text.partition("{")[0]

    @cached_property
    def weight(self) -> int:
        """Number of letters that are given: how much it says that a file fits."""
        return len(_PLACE.sub("", self.stem))

    def match(self, stem: str, *, is_greedy: bool = False) -> tuple[str, ...] | None:
        """Read the values of `names` off a path without suffix; None where it does not fit.

        Parameters
        ----------
        is_greedy : bool
            Whether the first names take as much as they can, and not as little: of ``a_0_0_7``
            ``{x}_0_{n}`` reads x = a_0 then, and else x = a.
        """
        ends = self._ends
        if ends is None:
            if not all(part in stem for part in self._letters):
                return None  # faster than to let the regular expression find out
            regex = self._greedy_regex if is_greedy else self._regex
            found = regex.fullmatch(stem)
            return found and found.groups()
        start, end = ends
        if not (stem.startswith(start) and stem.endswith(end)):
            return None
        value = stem[len(start) : -len(end) or None]
        return (value,) if value else None

    def fill(self, names: tuple[str, ...], values: tuple[str, ...]) -> str:
        """Put values into the pattern: the path, without suffix, that has them."""
        if self._ends is not None:
            return f"{self._ends[0]}{values[0]}{self._ends[1]}"
        known = dict(zip(names, values, strict=True))
        return _PLACE.sub(lambda place: known[place[1]], self.stem)

    @cached_property
    def _suffix(self) -> str:
        suffix = self.text.rpartition("/")[2].rpartition(".")[2]
        return suffix if suffix.lower() in self.suffixes else ""

    @cached_property
    def _ends(self) -> tuple[str, str] | None:
        """What stands before and after the only place, which needs no regular expression."""
        parts = _PLACE.split(self.stem)
        is_plain = len(parts) == 3 and not (self.one_split and parts[1] == SPLIT)
        return (parts[0], parts[2]) if is_plain else None

    @cached_property
    def _letters(self) -> tuple[str, ...]:
        return tuple(part for part in _PLACE.split(self.stem)[::2] if part)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return self._compile(".+?")

    @cached_property
    def _greedy_regex(self) -> re.Pattern[str]:
        return self._compile(".+")

    def _compile(self, any_text: str) -> re.Pattern[str]:
        """Write the pattern as a regular expression."""
        parts, seen = [], dict[str, str]()
        for number, part in enumerate(_PLACE.split(self.stem)):
            if number % 2 == 0:
                parts.append(re.escape(part))
            elif part in seen:
                parts.append(f"(?P={seen[part]})")
            else:
                seen[part] = f"g{len(seen)}"
                is_split = self.one_split and part == SPLIT
                inside = f"(?i:{_ALL_SPLITS})" if is_split else any_text
                parts.append(f"(?P<{seen[part]}>{inside})")
        return re.compile("".join(parts), re.DOTALL)


def check_patterns(image: str | None, label: str | None) -> None:
    """Refuse patterns that do not make a pair.

    Raises
    ------
    ConfigError
        Saying which of the two is wrong, and why.
    """
    example = 'for example image = "{scene}/rgb/{n}.jpg" and label = "{scene}/classes/{n}.png"'
    sides = (("image", image, "label", IMAGE_SUFFIXES), ("label", label, "image", LABEL_SUFFIXES))
    for key, text, other, suffixes in sides:
        if text is None:
            msg = f"the pattern '{other}' needs its other half: give '{key}' too, {example}."
            raise ConfigError(msg)
        problem = _problem_of(text, suffixes)
        if problem:
            msg = f"{key} = '{text}' {problem}, {example}."
            raise ConfigError(msg)
    names = [_names_of(text) for text in (image, label)]
    if set(names[0]) != set(names[1]):
        lone = next(iter(set(names[0]) ^ set(names[1])))
        msg = (
            f"{{{lone}}} stands in one of image = '{image}' and label = '{label}' only: what is in "
            f"braces must be equal on both sides, {example}."
        )
        raise ConfigError(msg)
    if image == label:
        msg = (
            f"image = '{image}' and label are the same pattern: write where labels are, {example}."
        )
        raise ConfigError(msg)


def _names_of(text: str | None) -> list[str]:
    return _PLACE.findall(text or "")


def _problem_of(text: str, suffixes: tuple[str, ...]) -> str:
    """Tell what is wrong with a pattern by itself, '' if nothing is."""
    names = _names_of(text)
    if "\\" in text:
        return "has a backslash: write / between folders"
    if text.startswith("/") or ".." in text.split("/"):
        return "must lie below the folder of the data set"
    if not names:
        return "has nothing in braces that tells one file from another"
    if names.count("") > 1:
        return "has {} twice: give the parts names"
    if any(char in _PLACE.sub("", text) for char in "{}"):
        return "has a brace that is not closed"
    wrong = [name for name in names if name and not name.isidentifier()]
    if wrong:
        return f"has {{{wrong[0]}}}: names are letters, digits and _"
    suffix = text.rpartition("/")[2].rpartition(".")[2].lower()
    if suffix in _NOT_READ and suffix not in suffixes:
        return f"names a kind of file that is not read; read are {', '.join(suffixes)}"
    return ""


def join_values(values: Collection[str]) -> str:
    """Make the id of an image from the values of its pattern."""
    return "/".join(values)
