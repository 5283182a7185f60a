"""List the images of a data set and the label of each, without opening a file."""

from __future__ import annotations

import gc
import random
import unicodedata
from collections import Counter
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from curate import errors, records, remote
from curate.data import shards
from curate.data.layouts import companions, patterns

if TYPE_CHECKING:
    import os
    import re
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from curate.data.layouts.layout import Layout

NOTES: Final = frozenset(
    {"txt", "json", "jsonl", "csv", "tsv", "xml", "yaml", "yml", "toml", "md", "html", "log", "pdf"}
)
"""Suffixes of files about images, which may lie beside them."""

_READ: Final = frozenset((*patterns.IMAGE_SUFFIXES, *patterns.CONTAINER_SUFFIXES))


class Listing(NamedTuple):
    """What a data set holds.

    Attributes
    ----------
    pairs : tuple of Pair
        Sorted by id.
    num_labels : int
        Label files, whether they have an image or not.
    label_pattern : str
        Which pattern of the layout they fit.
    id_map : str or None
        The id map that goes with it.
    others : dict of str to int
        Files that are named like an image up to their suffix, which is none that is read: suffix
        -> number of files, most frequent first.
    lone_labels : tuple of str
        Paths of labels without an image, sorted.
    unlabelled : dict of str to int
        Splits of which no image has a label, though others have, and their images: left out.
    """

    pairs: tuple[records.Pair, ...]
    num_labels: int
    label_pattern: str
    id_map: str | None
    others: dict[str, int]
    lone_labels: tuple[str, ...]
    unlabelled: dict[str, int]


NOTHING: Final = Listing((), 0, "", None, {}, (), {})
"""The listing of an empty folder."""


@contextmanager
def _without_collection() -> Iterator[None]:
    """Let Python look for cycles afterwards: meanwhile that takes a fifth of the time."""
    restore = gc.enable if gc.isenabled() else gc.disable
    gc.disable()
    try:
        yield
    finally:
        restore()


@_without_collection()
def list_pairs(
    root: Path, layout: Layout, id_map: str | None = None, only: re.Pattern[str] | None = None
) -> Listing:
    """List every image of a data set, with its label.

    Labels belong to the image whose values they have; where the label folder is flat and the
    pattern has one place, to the only image of that name. An image without label has status
    ``missing_label``; of two images that differ in their suffix only, the second keeps its suffix
    in its id and has status ``duplicate_id``; a name that is not valid UTF-8 has status
    ``bad_name``. Hidden files are left out, links followed.

    Parameters
    ----------
    id_map : str, optional
        Labels that go with this id map are preferred, where the layout has several kinds.
    only : Pattern, optional
        What the paths of shards have to begin with.

    Raises
    ------
    DataError
        If a folder cannot be read.
    """
    image, labels = layout.image_pattern, layout.label_patterns
    paths = list(_scan_all(root, [image.folder, *(label.folder for label in labels)]))
    if layout.is_sharded:
        inside = [p for p in paths if shards.is_shard(p) and (only is None or only.match(p))]
        paths = list(shards.names_of_all(root, inside))
    by_label = [_find_labels(paths, label) for label in labels]
    chosen = _choose_labels(layout, by_label, id_map)
    taken = set() if layout.is_container else {p for found in by_label for p in found.values()}
    images, others = _find_images(paths, image, taken)
    if layout.is_sharded and not layout.is_given:  # a key ends at its first dot
        images = [each for each in images if "." not in each.values[-1]]
    label_paths = _match(images, by_label[chosen], image, labels[chosen], layout)
    lone = set(by_label[chosen].values()).difference(label_paths)
    pairs = _name_pairs(images, label_paths, layout)
    if layout.lists:
        pairs = _take_listed(root / layout.lists, pairs)
    pairs, unlabelled = _leave_out_unlabelled(pairs)
    return Listing(
        tuple(sorted(pairs, key=lambda pair: pair.id)),
        len(by_label[chosen]),
        labels[chosen].text,
        layout.labels[labels[chosen].text],
        dict(others.most_common()),
        tuple(sorted(map(_repair_utf8, lone))),
        unlabelled,
    )


def walk(
    root: Path,
    read_entries: Callable[[Path], Sequence[os.DirEntry[str]]],
    *,
    max_members: int = 0,
) -> Iterator[str]:
    """Yield the paths of all files below `root`, folders in a mixed order.

    Parameters
    ----------
    read_entries : callable
        Returns the entries of a folder, or some of them.
    max_members : int
        How many members of each shard to yield.
    """
    for path in _scan(root, "", read_entries, random.Random(0).randrange):
        yield path
        if shards.is_shard(path):
            yield from islice(shards.members_of(root, path), max_members)


def read_folder(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder.

    Raises
    ------
    DataError
        With code ``unreadable_folder``.
    """
    try:
        with remote.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        msg = f"{folder} cannot be listed: {error.strerror}. Make it readable, or leave it out."
        raise errors.DataError(msg, code="unreadable_folder") from error


class _Image(NamedTuple):
    """Path of an image, and the values of the pattern's names in it."""

    path: str
    values: tuple[str, ...]


def _find_labels(paths: list[str], pattern: patterns.Pattern) -> dict[str, str]:
    """Find the label files of a pattern, no companions: path without suffix, as NFC -> path."""
    found: dict[str, str] = {}
    suffixes, start, match = pattern.own_suffixes, pattern.start, pattern.match
    for path in paths:
        if not path.startswith(start):
            continue
        stem, _, suffix = path.rpartition(".")
        if (suffix in suffixes or suffix.lower() in suffixes) and match(stem) is not None:
            key = stem if stem.isascii() else _normal(stem)
            if key in found:
                path = min(path, found[key], key=_preference)
            found[key] = path
    for key in [key for key in found if companions.is_companion(key, found)]:
        del found[key]
    return found


def _preference(path: str) -> tuple[int, str]:
    """Sort labels of one name: by suffix, then by path."""
    suffix, known = path.rpartition(".")[2].lower(), patterns.LABEL_SUFFIXES
    return known.index(suffix) if suffix in known else len(known), path


def _choose_labels(layout: Layout, by_label: Sequence[dict[str, str]], id_map: str | None) -> int:
    """Choose the kind of labels: those that go with `id_map`, else the first that there are."""
    there = [row for row, found in enumerate(by_label) if found]
    wanted = [row for row in there if [*layout.labels.values()][row] == id_map]
    return next(iter(wanted or there), 0)


def _find_images(
    paths: list[str], pattern: patterns.Pattern, labels: set[str]
) -> tuple[list[_Image], Counter[str]]:
    """Find the images, in order, and count what is named like one but cannot be read."""
    start, suffixes, match = pattern.start, pattern.own_suffixes, pattern.match
    inside = sorted([path for path in paths if path.startswith(start) and path not in labels])
    images, others = [], Counter[str]()
    for path in inside:
        stem, _, suffix = path.rpartition(".")
        suffix = suffix.lower()
        values = match(stem)
        if values is None:
            continue
        if suffix in suffixes:
            images.append(_Image(path, values))
        elif suffix not in NOTES and "." in path.rpartition("/")[2]:
            others[suffix] += 1
    return images, others


def _match(
    images: list[_Image],
    labels: dict[str, str],
    image_pattern: patterns.Pattern,
    pattern: patterns.Pattern,
    layout: Layout,
) -> list[str]:
    """Find the label of each image, '' where there is none."""
    names = image_pattern.names
    filled = (pattern.fill(names, image.values) for image in images)
    matched = [labels.get(stem if stem.isascii() else _normal(stem), "") for stem in filled]
    if len(names) > 1:
        _match_greedily(images, matched, labels, image_pattern, pattern)
    start = f"{pattern.folder}/" if pattern.folder else ""
    is_flat = not any("/" in path[len(start) :] for path in labels.values())
    if all(matched) or layout.is_given or len(names) > 1 or not is_flat:
        return matched
    spare = {_normal(key) for key, path in labels.items()}.difference(
        _normal(path.rpartition(".")[0]) for path in matched if path
    )
    keys = [_normal(pattern.fill(names, (image.values[0].rpartition("/")[2],))) for image in images]
    num_images = Counter(key for key, path in zip(keys, matched, strict=True) if not path)
    for row, key in enumerate(keys):
        if not matched[row] and key in spare and num_images[key] == 1:
            matched[row] = labels[key]
    return matched


def _match_greedily(
    images: list[_Image],
    matched: list[str],
    labels: dict[str, str],
    image_pattern: patterns.Pattern,
    pattern: patterns.Pattern,
) -> None:
    """Find more labels by the other way to read a name, and note its values."""
    for row, image in enumerate(images):
        stem = image.path.rpartition(".")[0]
        values = None if matched[row] else image_pattern.match(stem, is_greedy=True)
        if values is not None and values != image.values:
            matched[row] = labels.get(_normal(pattern.fill(image_pattern.names, values)), "")
            images[row] = _Image(image.path, values) if matched[row] else image


def _name_pairs(images: list[_Image], label_paths: list[str], layout: Layout) -> list[records.Pair]:
    """Give every image an id of its own, its split and a status."""
    pairs, repeated, taken = list[records.Pair](), [], set[str]()
    has_joined_ids, split_of = layout.is_given or layout.is_sharded, layout.split_of
    for image, label_path in zip(images, label_paths, strict=True):
        paths, status = (image.path, label_path), records.OK if label_path else "missing_label"
        if not (image.path.isascii() and label_path.isascii()):
            paths = _repair_utf8(image.path), _repair_utf8(label_path)
            status = status if paths == (image.path, label_path) else "bad_name"
        split = split_of(image.values)
        pair_id = paths[0].rpartition(".")[0]
        if has_joined_ids:
            pair_id = _repair_utf8(patterns.join_values(image.values))
        if pair_id in taken:
            repeated.append((paths, split))
            continue
        taken.add(pair_id)
        pairs.append(records.Pair(pair_id, *paths, status, split))
    for paths, split in repeated:
        pair_id = paths[0]
        while pair_id in taken:
            pair_id += "~"
        taken.add(pair_id)
        pairs.append(records.Pair(pair_id, *paths, "duplicate_id", split))
    return pairs


def _take_listed(folder: Path, pairs: list[records.Pair]) -> list[records.Pair]:
    """Read splits off lists of names; leave out images without a label, if some have one."""
    split_of: dict[str, str] = {}
    for split in patterns.SPLITS:
        path = folder / f"{split}.txt"
        try:
            lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        except OSError:
            continue
        split_of = dict.fromkeys(map(str.strip, lines), split) | split_of  # trainval comes last
    labelled = [pair for pair in pairs if pair.label_path]
    return [
        pair._replace(split=split_of.get(pair.id.rpartition("/")[2], pair.split))
        for pair in labelled or pairs
    ]


def _leave_out_unlabelled(
    pairs: list[records.Pair],
) -> tuple[list[records.Pair], dict[str, int]]:
    """Leave out the splits that have no labels at all, as test splits, and count their images."""
    labelled = {pair.split for pair in pairs if pair.label_path}
    without = Counter(pair.split for pair in pairs if pair.split not in labelled)
    if not labelled or not any(without):
        return pairs, {}
    unlabelled = {split: count for split, count in sorted(without.items()) if split}
    return [pair for pair in pairs if pair.split not in unlabelled], unlabelled


def _scan_all(root: Path, folders: Iterable[str]) -> Iterator[str]:
    """Yield the files below several folders, each once; a folder that is missing has none."""
    outer: list[str] = []
    for folder in sorted(set(folders)):
        if not any(
            folder == above or not above or folder.startswith(f"{above}/") for above in outer
        ):
            outer.append(folder)
    for folder in outer:
        if (root / folder).is_dir():
            yield from _scan(root, folder, read_folder)


def _scan(
    root: Path,
    folder: str,
    read_entries: Callable[[Path], Sequence[os.DirEntry[str]]],
    choose: Callable[[int], int] = lambda _: -1,
) -> Iterator[str]:
    """Yield the paths of all files below `folder`, relative to `root`.

    A folder that links back to one it lies in is not entered again.
    """
    parents = root.resolve().parents
    above = frozenset(map(_identify, (root, *parents) if folder else parents))
    waiting = [(folder, above)]
    while waiting:
        folder, above = waiting.pop(choose(len(waiting)))
        identity = _identify(root / folder)
        if identity in above:
            continue
        inside = above | {identity}
        start = f"{folder}/" if folder else ""
        for entry in read_entries(root / folder):
            name = entry.name
            if name[0] == ".":
                continue
            path = start + name
            if name.rpartition(".")[2].lower() in _READ and (
                entry.is_symlink() or entry.is_file()
            ):  # a link is taken for a file unseen: a million of them need no million look-ups
                yield path
            elif _is_folder(entry):
                waiting.append((path, inside))
            else:
                yield path


def _normal(stem: str) -> str:
    """Spell a path in the one way that its Unicode characters have."""
    return unicodedata.normalize("NFC", stem)


def _identify(folder: Path) -> tuple[int, int]:
    """Return what a folder and all links to it have in common."""
    try:
        status = folder.stat()
    except OSError as error:
        msg = f"{folder} cannot be opened: {error.strerror}. Make it readable, or leave it out."
        raise errors.DataError(msg, code="unreadable_folder") from error
    return status.st_dev, status.st_ino


def _repair_utf8(path: str) -> str:
    """Replace the bytes of a file name that are no UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder or a link to one; a link to itself is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False
