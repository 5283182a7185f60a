"""List the images of a data set and the label of each, without opening a file."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from curate.errors import DataError
from curate.records import OK, Pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from curate.data.layouts import Layout

IMAGE_SUFFIXES: Final = frozenset({"png", "jpg", "jpeg"})
LABEL_SUFFIXES: Final = frozenset({"png"})


class Listing(NamedTuple):
    """Pairs sorted by id, the number of label files, and the id map that their names ask for."""

    pairs: tuple[Pair, ...]
    num_labels: int
    id_map: str | None


def list_pairs(root: Path, layout: Layout) -> Listing:
    """List every image below the image folders of `layout`, with its label.

    An image without label has status ``missing_label``; of two images that differ in their
    suffix only, the second keeps its suffix in its id and has status ``duplicate_id``; a name
    that is not valid UTF-8 has status ``bad_name``. Hidden files are left out, links followed.

    Raises
    ------
    DataError
        If a folder cannot be read.
    """
    images: list[tuple[str, str]] = []
    labels: dict[str, dict[str, str]] = {ending: {} for ending in layout.id_maps}
    for image_folder, label_folder in layout.find_folders(root):
        images += _list_images(root, image_folder, layout.image_ending)
        for path in _scan(root, label_folder, LABEL_SUFFIXES):
            stem = f"{image_folder}{_stem(path)[len(label_folder) :]}"
            for ending in layout.id_maps:
                if stem.endswith(ending):
                    key = stem[: len(stem) - len(ending)]
                    labels[ending][key] = min(path, labels[ending].get(key, path))
    ending = next((ending for ending in labels if labels[ending]), "")
    found = labels.get(ending, {})
    label_paths = _match(images, found)
    pairs = _name_pairs([path for path, _ in images], label_paths)
    return Listing(
        tuple(sorted(pairs, key=lambda pair: pair.id)), len(found), layout.id_maps.get(ending)
    )


def _list_images(root: Path, folder: str, ending: str) -> Iterator[tuple[str, str]]:
    """Yield path and label key (path without ending and suffix) of each image, in order."""
    for path in sorted(_scan(root, folder, IMAGE_SUFFIXES)):
        stem = _stem(path)
        if stem.endswith(ending):
            yield path, stem[: len(stem) - len(ending)]


def _match(images: list[tuple[str, str]], labels: dict[str, str]) -> list[str]:
    """Find the label of each image: the same path, else the same stem if only one has it."""
    matched = [labels.get(key, "") for _, key in images]
    if all(matched):
        return matched
    spare = set(labels.values()).difference(matched)
    by_stem = {_last_part(key): path for key, path in labels.items() if path in spare}
    num_labels = Counter(_last_part(key) for key, path in labels.items() if path in spare)
    num_images = Counter(
        _last_part(key) for (_, key), label in zip(images, matched, strict=True) if not label
    )
    for row, (_, key) in enumerate(images):
        stem = _last_part(key)
        if not matched[row] and num_labels[stem] == num_images[stem] == 1:
            matched[row] = by_stem[stem]
    return matched


def _name_pairs(image_paths: list[str], label_paths: list[str]) -> list[Pair]:
    """Give every image an id of its own and a status."""
    pairs, repeated = [], []
    taken: set[str] = set()
    for image_path, label_path in zip(image_paths, label_paths, strict=True):
        status = OK if label_path else "missing_label"
        if not (_is_utf8(image_path) and _is_utf8(label_path)):
            status = "bad_name"
        paths = _repair_utf8(image_path), _repair_utf8(label_path)
        pair_id = _stem(paths[0])
        if pair_id in taken:
            repeated.append(paths)
            continue
        taken.add(pair_id)
        pairs.append(Pair(pair_id, *paths, status))
    for paths in repeated:
        pair_id = paths[0]
        while pair_id in taken:
            pair_id += "~"
        taken.add(pair_id)
        pairs.append(Pair(pair_id, *paths, "duplicate_id"))
    return pairs


def _scan(root: Path, folder: str, suffixes: Iterable[str]) -> Iterator[str]:
    """Yield the paths of all files below `folder` with one of `suffixes`, relative to `root`.

    A folder that links back to one it lies in is not entered again.
    """
    above = frozenset(_identify(path) for path in (root, *root.resolve().parents))
    waiting = [(folder, above)]
    while waiting:
        folder, above = waiting.pop()
        identity = _identify(root / folder)
        if identity in above:
            continue
        inside = above | {identity}
        for entry in _read_folder(root / folder):
            path = f"{folder}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.name.rpartition(".")[2].lower() in suffixes and (
                entry.is_symlink() or entry.is_file()
            ):  # a link is taken for a file unseen: a million of them need no million look-ups
                yield path
            elif _is_folder(entry):
                waiting.append((path, inside))


def _read_folder(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        msg = f"{folder} cannot be listed: {error.strerror}. Make it readable, or leave it out."
        raise DataError(msg, code="unreadable_folder") from error


def _identify(folder: Path) -> tuple[int, int]:
    """Return what a folder and all links to it have in common."""
    try:
        status = folder.stat()
    except OSError as error:
        msg = f"{folder} cannot be opened: {error.strerror}. Make it readable, or leave it out."
        raise DataError(msg, code="unreadable_folder") from error
    return status.st_dev, status.st_ino


def _stem(path: str) -> str:
    """Return `path` without its suffix."""
    return path.rpartition(".")[0]


def _last_part(key: str) -> str:
    """Return the last part of a path."""
    return key.rpartition("/")[2]


def _is_utf8(path: str) -> bool:
    """Tell whether a file name can be written to a table."""
    return _repair_utf8(path) == path


def _repair_utf8(path: str) -> str:
    """Replace the bytes of a file name that are no UTF-8."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder or a link to one; a link to itself is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False
