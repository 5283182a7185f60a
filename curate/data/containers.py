"""Files that hold an image and its label: BlenderProc's HDF5.

``blenderproc.writer.write_hdf5`` makes one file a frame: ``colors`` is (H, W, 3) uint8, the class
of each pixel is (H, W) integer, named after the property that it was mapped by; stereo pairs have
one axis more, of which the left image is read
(https://dlr-rm.github.io/BlenderProc, writer and segmentation).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate import remote
from curate.data import images
from curate.errors import DataError, LabelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path, PurePath

    import h5py
    from numpy.typing import NDArray

SUFFIX: Final = ".hdf5"
_COLOURS: Final = "colors"
_CLASS_MAPS: Final = (
    "category_id_segmaps", "class_segmaps", "semantic_segmaps", "category_id_segmap",
    "segmap",
)  # fmt: skip
"""Names of the map of classes, the newest first."""


def is_container(path: PurePath) -> bool:
    """Tell by its name whether a file holds an image and its label."""
    return path.suffix.lower() == SUFFIX


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read the image of a file: (H, W, 3) uint8.

    Raises
    ------
    DataError
        With code ``missing_image``, ``unreadable_image``, ``too_small`` or ``too_large``.
    """
    with _open(path, "image") as file:
        samples = _read(file, (_COLOURS,), path, "image", channels=True)
    if samples.dtype != np.uint8 or samples.shape[2] < 3:
        raise images.unreadable_file(path, "image", f"'{_COLOURS}' is not (H, W, 3) uint8")
    return np.ascontiguousarray(samples[..., :3])


def read_ids(path: Path) -> NDArray[Any]:
    """Read the class ids of a file: (H, W) uint8 or uint16.

    Raises
    ------
    LabelError
        With code ``missing_label``, ``unreadable_label``, ``too_small`` or ``too_large``.
    """
    with _open(path, "label") as file:
        ids = _read(file, _CLASS_MAPS, path, "label", channels=False)
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() > 65535:
        raise images.unreadable_file(path, "label", "its class ids are not integers of 0 .. 65535")
    return ids.astype(np.uint8 if ids.max() < 256 else np.uint16)


@contextmanager
def _open(path: Path, kind: images.FileKind) -> Iterator[h5py.File]:
    """Open a file for reading, without locking it."""
    import h5py

    try:
        if path.exists() and not path.is_file():
            raise images.unreadable_file(path, kind, "it is no ordinary file")
        source = path.open("rb") if remote.is_url(path) else path
        with h5py.File(source, "r", locking=False) as file:
            yield file
    except FileNotFoundError:
        msg = f"{path} does not exist, or is a link to nothing. Bring it back, or leave it out."
        raise _error_class(kind)(msg, code=f"missing_{kind}") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise images.unreadable_file(path, kind, f"it is no sound HDF5 file ({error})") from error


def _read(
    file: h5py.File, names: tuple[str, ...], path: Path, kind: images.FileKind, *, channels: bool
) -> NDArray[Any]:
    """Read the first data set of these names that is there, once its size is known to be sane."""
    import h5py

    name = next((name for name in names if isinstance(file.get(name), h5py.Dataset)), None)
    if name is None:
        others = ", ".join(str(other) for other in file)  # h5py gives bytes that are no UTF-8
        what = f"it has no data set {' or '.join(map(repr, names))}, only {others}"
        raise images.unreadable_file(path, kind, what)
    found: h5py.Dataset = file[name]
    num_axes = 2 + channels
    is_stereo = found.ndim == num_axes + 1 and len(found) > 0
    if not (is_stereo or found.ndim == num_axes):
        raise images.unreadable_file(path, kind, f"'{name}' has shape {found.shape}")
    height, width = found.shape[found.ndim - num_axes :][:2]
    images.check_size(path, height, width)
    samples: NDArray[Any] = found[0] if is_stereo else found[()]
    return samples


def _error_class(kind: images.FileKind) -> type[DataError]:
    """Return the class of errors about images or labels."""
    return LabelError if kind == "label" else DataError
