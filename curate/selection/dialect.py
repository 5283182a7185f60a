"""What an export format is: the images that it is given, and how it names their ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
from PIL import Image

from curate import errors, remote
from curate.data import containers, images, png
from curate.data.id_tables import cityscapes
from curate.records import IGNORE_INDEX
from curate.selection import placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.selection.source import SubsetSource

LABEL_IDS: Final = ("raw", "classes", "train")
"""What labels may hold: the ids that they have, the index of each class, Cityscapes' train ids."""

WEIGHTS_RECORD: Final = "weights.json"

_DESCRIBED: Final = ("score", "weight")
_SUFFIXES: Final = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg"}


@dataclass(frozen=True)
class LabelIds:
    """The ids that labels of a subset are written with.

    Attributes
    ----------
    kind : str
        One of `LABEL_IDS`.
    names : dict of int to str
        What each id stands for, in rising order; without meaning for ``raw``.
    table : (256,) uint8
        Class index -> id; 255 stays 255.
    """

    kind: str
    names: dict[int, str]
    table: NDArray[np.uint8]

    @property
    def texts(self) -> list[str]:
        """Return a name for every id from 0 to the largest, those between without a class too."""
        return [self.names.get(index, f"unused {index}") for index in range(max(self.names) + 1)]


def make_label_ids(kind: str, classes: Sequence[str]) -> LabelIds:
    """Tell which id each class gets.

    Raises
    ------
    UsageError
        If some class has no train id.
    """
    known = cityscapes.CITYSCAPES_CLASSES if kind == "train" else tuple(classes)
    strangers = [name for name in classes if name not in known]
    if strangers:
        msg = (
            f"--label-ids train: Cityscapes has no train id for {', '.join(strangers[:5])}"
            f"{', ..' if len(strangers) > 5 else ''}. Use --label-ids classes."
        )
        raise errors.UsageError(msg)
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[: len(classes)] = [known.index(name) for name in classes]
    names = {int(table[index]): name for index, name in enumerate(classes)}
    return LabelIds(kind, dict(sorted(names.items())), table)


@dataclass(frozen=True)
class Plan:
    """What holds for all images of a subset.

    Attributes
    ----------
    label_ids : LabelIds
    image_suffix : str
        That of all images, where a trainer must find them by one: ``.jpg`` if they are all upright
        JPEG files, else ``.png``.
    weight_of_255 : float or None
        What 255 stands for in images of weights, so that their mean over the data set, or over all
        data sets, is 1; None = there are none.
    """

    label_ids: LabelIds
    image_suffix: str = ".png"
    weight_of_255: float | None = None


@dataclass(frozen=True)
class SubsetItem:
    """One selected image.

    Attributes
    ----------
    source : SubsetSource
        The data set that it is of.
    row : int
        Its row in the image table.
    id : str
        In the score file.
    image_path, label_path : str
        Paths inside the data set, ``/``-separated.
    keep : (H, W) bool, or None
        Pixels that keep their label; None = all.
    """

    source: SubsetSource
    row: int
    id: str
    image_path: str
    label_path: str
    keep: NDArray[np.bool_] | None

    @cached_property
    def name(self) -> str:
        """What its files are called: its id, without the folders that all ids begin with.

        Raises
        ------
        StoreError
            If it leads out of the subset.
        """
        return self.inside(self.id.removeprefix(self.source.id_folder))

    @property
    def flat_name(self) -> str:
        """Its name as that of a file without folders."""
        return self.name.replace("/", "_")

    @property
    def suffix(self) -> str:
        """The usual suffix of the kind of file that its image is."""
        suffix = PurePosixPath(self.image_path).suffix.lower()
        return _SUFFIXES.get(suffix, suffix)

    @property
    def is_container(self) -> bool:
        """Whether one file holds image and label."""
        return containers.is_container(PurePosixPath(self.image_path))

    @property
    def is_plain(self) -> bool:
        """Whether every trainer reads the image as curate does: a PNG or JPEG, not turned."""
        return self.suffix in (".png", ".jpg") and self.source.orientation_of(self.row) == 1

    def inside(self, path: str) -> str:
        """Return where a file of the data set is in a subset that keeps its layout.

        In a subset of several data sets that is below the folder of its own.
        """
        path = f"{self.source.prefix}{path}"
        placement.join_inside("", path)
        return path

    def original(self, path: str) -> str:
        """Return where a file of the data set is; `check_paths` made sure that it is inside."""
        return f"{self.source.root}/{path}"

    def read_image(self) -> NDArray[np.uint8]:
        """Read the image, (H, W, 3), upright."""
        return self.source.read_image(self.row)

    def read_labels(self) -> NDArray[np.uint8]:
        """Read the class indices, (H, W); 255 where ignored or not kept."""
        label_map = self.source.read_labels(self.row).copy()
        if self.keep is not None:
            label_map[~self.keep] = IGNORE_INDEX
        return label_map

    def read_file(self) -> tuple[str, bytes]:
        """Read the image as a file that every trainer reads alike: its suffix and its content."""
        if self.is_plain:
            path = remote.as_path(self.original(self.image_path))
            return self.suffix, bytes(images.read_file(path, "image"))
        return ".png", encode_image(self.read_image())

    def describe(self) -> dict[str, str | float | None]:
        """Return id, score and weight of the image; None where there is none."""
        values = {name: self.source.scores.image_column(name)[self.row] for name in _DESCRIBED}
        known = {name: None if value != value else float(value) for name, value in values.items()}
        return {"id": f"{self.source.prefix}{self.id}", **known}

    def read_weights(self) -> NDArray[np.uint8]:
        """Read the weight of each pixel, (H, W), as the cells of the score file hold it."""
        unit = self.source.weight_mean / self.source.provenance.largest_weight
        weights = self.source.scores.weight_map(self.id) * (255 * unit)
        return np.asarray(np.minimum(np.rint(weights), 255), np.uint8)


class Format(ABC):
    """An export format: writes the selected images one after the other.

    It is a context in which files may stay open from image to image.

    Parameters
    ----------
    place : Placement
    plan : Plan
    """

    label_ids: ClassVar[tuple[str, ...]] = ("classes", "train", "raw")
    """Which of `LABEL_IDS` labels may hold, the default first."""

    places_only: ClassVar[bool] = False
    """Whether, where no label is rewritten, original files are placed and nothing else is done."""

    media: ClassVar[tuple[str, ...]] = tuple(placement.MEDIA)
    """Keys of `MEDIA` that make sense, the default first."""

    weights: ClassVar[str] = "weights"
    """The folder of the images of weights."""

    def __init__(self, place: placement.Placement, plan: Plan) -> None:
        self.place = place
        self.plan = plan
        self.open_files = ExitStack()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open_files.close()

    def start(self) -> None:
        """Prepare for the first image."""
        return

    @abstractmethod
    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""

    def finish(self) -> None:
        """Write what can be written only once all images are known."""
        return

    def read_ids(self, item: SubsetItem) -> NDArray[np.uint8]:
        """Read the ids of a label as they are to be written, (H, W), 255 = ignore."""
        ids: NDArray[np.uint8] = self.plan.label_ids.table.take(item.read_labels())
        return ids

    def write_png(
        self, path: str, samples: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None
    ) -> None:
        """Write ids, or colours, as a PNG of the subset."""
        self.place.write(path, png.encode_png(samples, palette=palette))

    def write_image(self, item: SubsetItem, stem: str, *, suffix: str = "") -> str:
        """Place an image, or write it as an upright PNG where a trainer would read it otherwise.

        Parameters
        ----------
        stem : str
            Path in the subset without suffix.
        suffix : str
            What it must be; by default both ``.png`` and ``.jpg`` will do.

        Returns
        -------
        path : str
            In the subset.
        """
        if item.is_plain and (not suffix or suffix == item.suffix):
            path = f"{stem}{item.suffix}"
            self.place.place(item.original(item.image_path), path)
        else:
            path = f"{stem}.png"
            if self.place.media != "none":
                self.place.write(path, encode_image(item.read_image()))
        return path

    def write_label(self, item: SubsetItem, stem: str) -> str:
        """Write a label, or place it where it stays as it is; return its path in the subset."""
        if self.plan.label_ids.kind != "raw":
            self.place.write(f"{stem}.png", self.encode_label(item))
            return f"{stem}.png"
        path = f"{stem}{PurePosixPath(item.label_path).suffix.lower()}"
        place_label(self.place, item, path)
        return path

    def encode_label(self, item: SubsetItem) -> bytes:
        """Return a label as a PNG."""
        return png.encode_png(self.read_ids(item))

    def write_weights(self, item: SubsetItem, name: str = "") -> None:
        """Write the weights of an image beside its label, if they are wanted."""
        if self.plan.weight_of_255 is not None:
            path = f"{self.weights}/{name or item.name}.png"
            self.place.write(path, self.encode_weights(item))

    def encode_weights(self, item: SubsetItem) -> bytes:
        """Return the weights of an image as a PNG."""
        return png.encode_png(item.read_weights())


def place_label(place: placement.Placement, item: SubsetItem, path: str) -> None:
    """Put a label with its own ids into the subset, masked where pixels are left out.

    Raises
    ------
    DataError
        If one file holds image and label, and would have to be masked or taken apart.
    """
    if item.is_container:
        msg = (
            f"{item.image_path} holds an image and its label, which cannot be masked in place. "
            "Write the subset with --format folder, or select by image with --label-ids raw."
        )
        raise errors.DataError(msg, code="container")
    if item.keep is None:
        place.place(item.original(item.label_path), path)
    else:
        target = place.new_file(path)
        id_map = item.source.id_map_of(item.row)
        item.source.write_masked_label(item.label_path, target, item.keep, id_map)


def encode_image(pixels: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) pixels as a PNG."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
