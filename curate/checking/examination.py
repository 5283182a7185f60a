"""Look at one image and its label: everything that can be said of them without an id map."""

from __future__ import annotations

import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from curate import errors, records
from curate.checking.facts import MAX_COLOURS, Facts, Stamp
from curate.data import containers, images, labels, png, shards

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.data.dataset import DataSource

THUMBNAIL_PX: Final = 16
_HASHED_PX: Final = 64
"""About the size that images are reduced to before they are hashed."""
_LEAST_AHEAD: Final = 32
"""Pairs that are looked at, or wait to be, before the first one is asked for."""
_EDGE_ROWS: Final = 64
"""About so many rows of a label are looked at for blended edges."""
_MAX_COUNTED: Final = 2**16
"""Different colours that are counted; more are no palette, whatever they are."""
_KINDS: Final = {png.COLOUR_TYPE_PALETTE: "palette", 0: "grey", 4: "grey", 2: "colour", 6: "colour"}


def stamp_of(source: DataSource, pair: records.Pair) -> Stamp:
    """Read sizes and times of change of both files."""
    return Stamp(*_stat(source.root, pair.image_path), *_stat(source.root, pair.label_path))


def examine_all(
    source: DataSource, pairs: Mapping[int, records.Pair], *, is_deep: bool, threads: int
) -> Iterator[tuple[int, Facts]]:
    """Look at pairs by number, in order, few of them in memory at a time."""
    pool = ThreadPoolExecutor(threads)
    waiting: deque[tuple[int, Future[Facts]]] = deque()
    try:
        for row, pair in pairs.items():
            images.begin_reading(source.root, [pair])
            waiting.append((row, pool.submit(examine, source, pair, is_deep=is_deep)))
            if len(waiting) > max(4 * threads, _LEAST_AHEAD):
                first, done = waiting.popleft()
                yield first, done.result()
        for first, done in waiting:
            yield first, done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def examine(source: DataSource, pair: records.Pair, *, is_deep: bool) -> Facts:
    """Look at a pair.

    Parameters
    ----------
    is_deep : bool
        Whether to decode the image, too, and not only to check its structure.
    """
    found: dict[str, Any] = {
        "image_path": pair.image_path,
        "label_path": pair.label_path,
        "stamp": stamp_of(source, pair),
        "is_deep": is_deep,
    }
    if pair.status != records.OK:
        return _explain(source, pair, found)
    image_path, label_path = source.root / pair.image_path, source.root / pair.label_path
    try:
        if containers.is_container(image_path):
            found |= _describe_container(image_path, label_path, is_deep=is_deep)
        else:
            found |= _describe_files(image_path, label_path, source.value_range, is_deep=is_deep)
    except errors.DataError as error:
        return Facts(**found, code=error.code, message=str(error))
    if found.pop("label_size") != (found["height"], found["width"]):
        return _explain(source, pair, found)
    return Facts(**found)


def _describe_files(
    image_path: Path,
    label_path: Path,
    value_range: tuple[float, float] | None,
    *,
    is_deep: bool,
) -> dict[str, Any]:
    """Describe an image file and a label file."""
    data = images.read_file(image_path, "image")
    opened = images.open_image(data, image_path)
    found = _describe_image(opened) | {"digest": _sum_up(data)}
    if is_deep:
        pixels = images.decode_reduced(opened, image_path, value_range, least_px=_HASHED_PX)
        found |= _describe_pixels(pixels)
    label = labels.open_label(images.read_file(label_path, "label"), label_path)
    found |= _describe_label(label, labels.decode_label(label, label_path))
    return found | {"label_size": (label.height, label.width)}


def _describe_container(image_path: Path, label_path: Path, *, is_deep: bool) -> dict[str, Any]:
    """Describe a file that holds an image and its label."""
    image, raw = containers.read_image(image_path), containers.read_ids(label_path)
    found = {
        "height": image.shape[0],
        "width": image.shape[1],
        "digest": _sum_up(image.data),
        "label_bits": 8 * raw.dtype.itemsize,
        "ids": _count_values(raw),
        **_look_at_edges(raw),
        "label_size": raw.shape,
    }
    return found | (_describe_pixels(image) if is_deep else {})


def _explain(source: DataSource, pair: records.Pair, found: dict[str, Any]) -> Facts:
    """Let the reader of pairs say what is wrong with one."""
    from curate.data import pairs  # here: it needs torch, which takes seconds and 400 MiB

    try:
        pairs.read_pair(source, pair)
    except errors.DataError as error:
        return Facts(**found, code=error.code, message=str(error))
    return Facts(**found)


def _stat(root: Path, path: str) -> tuple[int, int]:
    """Return size and time of change of a file, -1 for a missing one."""
    try:
        status = os.stat(shards.file_of(root / path)) if path else None  # noqa: PTH116
    except OSError:
        status = None
    return (-1, -1) if status is None else (status.st_size, status.st_mtime_ns)


def _describe_image(opened: images.OpenedImage) -> dict[str, Any]:
    """Describe what the header says."""
    return {
        "height": opened.height,
        "width": opened.width,
        "image_bits": opened.bit_depth,
        "orientation": opened.orientation,
    }


def _describe_pixels(image: NDArray[np.uint8]) -> dict[str, Any]:
    """Hash an image (H, W) or (H, W, 3) and measure how much it differs from one colour."""
    import imagehash  # here: it takes SciPy, which light looks need not wait for

    picture = Image.fromarray(image)
    factors = (max(1, picture.width // _HASHED_PX), max(1, picture.height // _HASHED_PX))
    small = picture.reduce(factors).convert("L")
    thumbnail = small.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    return {
        "phash": str(imagehash.phash(small)),
        "thumbnail": thumbnail.tobytes().hex(),
        "spread": round(float(np.asarray(small).std()), 3),
    }


def _describe_label(label: labels.OpenedLabel, samples: NDArray[Any]) -> dict[str, Any]:
    """Count the values of a label, and its colours where it has some."""
    first = samples if samples.ndim == 2 else np.ascontiguousarray(samples[..., 0])
    ids = _count_values(first)
    found: dict[str, Any] = {
        "label_kind": _KINDS[label.colour_type],
        "label_bits": label.bit_depth,
        "ids": ids,
        **_look_at_edges(first),
    }
    if label.palette is not None:
        rows = label.palette.tolist()
        found["palette"] = {i: _hex(rows[i]) for i in ids if i < len(rows)}
    if samples.ndim == 3 and samples.shape[2] >= 3 and not labels.is_grey(samples):
        found |= _count_colours(samples)
    return found


def _count_values(first: NDArray[Any]) -> dict[int, int]:
    """Count the pixels of each value of (H, W) uint8 or uint16 samples."""
    if first.dtype == np.uint8:
        counts = Image.fromarray(first).histogram()
        return {value: count for value, count in enumerate(counts) if count}
    many = np.bincount(first.ravel())
    return {int(value): int(many[value]) for value in np.flatnonzero(many)}


def _look_at_edges(first: NDArray[Any]) -> dict[str, Any]:
    """Count the edges in some rows of (H, W), and the values between those of their neighbours.

    Examples
    --------
    >>> _look_at_edges(np.array([[0, 0, 9, 9]], np.uint8))
    {'num_edges': 2, 'between': {}, 'num_beyond': 0}
    >>> _look_at_edges(np.array([[0, 0, 4, 9]], np.uint8))
    {'num_edges': 2, 'between': {4: 1}, 'num_beyond': 0}
    """
    rows = first[:: max(1, len(first) // _EDGE_ROWS)].astype(np.int32)
    left, middle, right = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
    low, high = np.minimum(left, right), np.maximum(left, right)
    values, counts = np.unique(middle[(low < middle) & (middle < high)], return_counts=True)
    return {
        "num_edges": int(np.count_nonzero(high - low >= 2)),
        "between": dict(zip(values.tolist(), counts.tolist(), strict=True)),
        "num_beyond": int(np.count_nonzero((middle < low) | (middle > high))),
    }


def _count_colours(samples: NDArray[Any]) -> dict[str, Any]:
    """Count the pixels of each colour; of 16 bits or without end, only that there are many."""
    if samples.dtype != np.uint8:
        return {"num_colours": MAX_COLOURS + 1}
    picture = Image.fromarray(np.ascontiguousarray(samples[..., :3]))
    counted = picture.getcolors(_MAX_COUNTED)
    if counted is None:
        return {"num_colours": _MAX_COUNTED + 1}
    counted.sort(key=lambda item: (-item[0], item[1]))
    kept = {_hex(colour): count for count, colour in counted[:MAX_COLOURS]}
    return {"colours": kept, "num_colours": len(counted)}


def _sum_up(data: bytearray | memoryview) -> str:
    """Make 16 hexadecimal digits of what lies in memory: nobody has to be kept from forging them.

    Only images whose perceptual hashes agree are compared by them.
    """
    view = memoryview(data)
    return f"{zlib.crc32(view):08x}{view.nbytes:08x}"


def _hex(colour: Any) -> str:  # noqa: ANN401
    """Write a colour as ``#rrggbb``."""
    return f"#{bytes(colour).hex()}"
