"""Weights that are given: soundness known from elsewhere, one map an image.

So an arm of ``curate compare`` can train with what a method would have to find: the cells that a
simulator, a person or an injected corruption are known to have spoiled (an *oracle*), or what
another program thinks of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from curate import distributed, errors, grid, records, weighting
from curate.config import Strict
from curate.data import images, png
from curate.methods import protocol
from curate.scores.score_file import ScoreFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAX_KEPT_MAPS: Final = 4096
"""Maps that are kept in memory, in the cells of the training size."""


class GivenSettings(Strict):
    """``[method]`` of ``given``."""

    maps: tuple[Path, ...] | Path | None = Field(None, examples=["masks"])
    """Folder of 8-bit grey PNG files, 0 = bad, 255 = good, of any size, under the paths that the
    images have in their data set; or a score file. One for all synthetic sets, or a list with one
    for each.
    """

    column: str = "pixel_scores"
    """What to take from a score file: ``pixel_scores``, ``pixel_weights``, or a column of its
    images, which weighs them as a whole.
    """


class Given(protocol.Method):
    """Weigh each cell by its map, divided by the mean over the data set."""

    Settings = GivenSettings
    prepares: ClassVar[bool] = True
    weighs_uncropped: ClassVar[bool] = True

    mean: Tensor

    def __init__(self, settings: GivenSettings, keys: frozenset[str]) -> None:
        super().__init__()
        maps = settings.maps or ()
        self.maps = maps if isinstance(maps, tuple) else (maps,)
        self.column, self.keys = settings.column, keys
        self.register_buffer("mean", torch.ones((), dtype=torch.float64))
        self._files: dict[Path, ScoreFile] = {}
        self._kept: dict[str, Tensor] = {}

    @classmethod
    def num_folds(cls, settings: GivenSettings) -> int:
        """Need no folds, but maps.

        Raises
        ------
        ConfigError
            If none are named.
        """
        if not settings.maps:
            msg = (
                "method = 'given' needs maps: name a folder of PNG files, or a score file, in "
                '[method], or in settings of the [[arm]]: maps = "masks".'
            )
            raise errors.ConfigError(msg)
        return 1

    @classmethod
    def build(cls, settings: GivenSettings, context: protocol.MethodContext) -> Given:
        """Make the method; nothing is read yet."""
        return cls(settings, frozenset(key for key in context.splits if key.startswith("s")))

    def prepare(self, preparation: protocol.Preparation) -> Iterator[protocol.Progress]:
        """Make sure of all maps, and find out their mean over the valid synthetic cells.

        Raises
        ------
        DataError
            If a map is missing, is no map, or all of them are 0.
        """
        self._check_maps()
        label_map = grid.centres(preparation.synthetic.label_map)
        keys = preparation.synthetic.keys
        found = torch.stack([self._sound(key, label_map[0].shape) for key in keys])
        mean = float(found[label_map.to(found.device) != records.IGNORE_INDEX].double().mean())
        if not mean > 0:
            msg = f"All maps of {self._names()} are 0 where a label is: nothing is left to learn."
            raise errors.DataError(msg, code="no_weights")
        self.mean.fill_(mean)
        yield protocol.Progress(1, 1, is_safe=True)

    @torch.no_grad()
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells; nothing is learned."""
        weights = protocol.unit_weights(evidence)
        if is_warmup:
            return weights, {}
        synthetic = (evidence.label_map != records.IGNORE_INDEX) & ~evidence.is_real[:, None, None]
        scores = self.scores(evidence).combined
        weights[synthetic] = scores[synthetic] / self.mean.to(scores)
        chosen = weights[synthetic]
        sums = torch.stack([chosen.sum(), (chosen**2).sum(), synthetic.sum().to(chosen)])
        total, squares, count = distributed.sum_over_ranks(sums).tolist()
        return weights, {"ess": total**2 / (count * squares) if squares else 0.0}

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Return the maps of synthetic images at every level; 1 for real ones."""
        found = protocol.unit_weights(evidence)
        for row in torch.nonzero(~evidence.is_real)[:, 0].tolist():
            found[row] = self._sound(evidence.keys[row], found[row].shape)
        means = found.mean(dim=(1, 2), keepdim=True).expand_as(found).contiguous()
        return records.LevelScores(image=means, region=found, pixel=found, combined=found)

    def weight_rule(self) -> weighting.WeightRule:
        """Divide by the mean."""
        mean = float(self.mean)
        return weighting.WeightRule(1.0, mean, 1.0, clip=max(1.0, 1 / mean), uniform=0.0).rounded()

    def _sound(self, key: str, cells: torch.Size) -> Tensor:
        """Bring the map of an image to so many cells, (h, w) float32 in [0, 1]."""
        kept = self._kept.get(key)
        if kept is None or kept.shape != cells:
            found = torch.from_numpy(self._read_map(key))[None, None]
            kept = grid.to_grid(found, (cells[0], cells[1]))[0, 0].to(self.mean.device)
            if len(self._kept) < MAX_KEPT_MAPS:
                self._kept[key] = kept
        return kept

    def _read_map(self, key: str) -> NDArray[np.float32]:
        """Read a map, (H, W) float32 in [0, 1]."""
        where, image_id = self._find(key), key.partition(":")[2]
        if _is_folder_of_images(where):
            return _read_png(where / f"{image_id}.png")
        if where not in self._files:
            self._files[where] = ScoreFile(where)
        return _read_scores(self._files[where], image_id, self.column)

    def _find(self, key: str) -> Path:
        """Tell where the map of an image is: ``s1:..`` is of the second set."""
        domain, number = key[0], key.partition(":")[0][1:]
        if domain != "s" or not number.isdigit():
            msg = (
                f"There is no map of {key}: method 'given' weighs the images that it was trained "
                "with, and no others. Score a [[synthetic]] set of its run."
            )
            raise errors.DataError(msg, code="missing_map")
        if len(self.maps) == 1:
            return self.maps[0]
        if int(number) >= len(self.maps):
            msg = (
                f"maps names {len(self.maps)} places, but there are more synthetic sets. Give one "
                "for all of them, or one for each."
            )
            raise errors.ConfigError(msg)
        return self.maps[int(number)]

    def _check_maps(self) -> None:
        """Make sure that every synthetic image has a map."""
        places = {key: self._find(key) for key in sorted(self.keys)}
        missing = [key for key, where in places.items() if not _has_file(where, key)]
        if missing:
            first = missing[0].partition(":")[2]
            msg = (
                f"{len(missing):,} of {len(places):,} synthetic images have no map in "
                f"{self._names()}: the first is {first}.png. Add them; 255 keeps an image as it is."
            )
            raise errors.DataError(msg, code="missing_map")

    def _names(self) -> str:
        return ", ".join(map(str, self.maps))


def _is_folder_of_images(where: Path) -> bool:
    """Tell a folder of PNG files from a score file, which may be a folder, too."""
    return where.is_dir() and not any(where.glob("*.h5"))


def _has_file(where: Path, key: str) -> bool:
    """Tell whether an image has a map, of score files whether they are there."""
    image_id = key.partition(":")[2]
    return (where / f"{image_id}.png").exists() if _is_folder_of_images(where) else where.exists()


def _read_png(path: Path) -> NDArray[np.float32]:
    """Read an 8-bit grey PNG file as (H, W) float32 in [0, 1]."""
    try:
        opened = png.parse_png(images.read_file(path, "label"))
        samples = png.decode_png(opened)
    except ValueError as error:
        msg = f"{path} cannot be read: {error}. Write maps as 8-bit grey PNG files."
        raise errors.DataError(msg, code="unreadable_map") from error
    if (opened.colour_type, opened.bit_depth) != (0, 8):
        msg = (
            f"{path} is no map: it has colour type {opened.colour_type} and {opened.bit_depth} "
            "bits. Write maps as 8-bit grey PNG files, 0 = bad, 255 = good."
        )
        raise errors.DataError(msg, code="unreadable_map")
    return np.float32(1 / 255) * samples.astype(np.float32)


def _read_scores(scores: ScoreFile, image_id: str, column: str) -> NDArray[np.float32]:
    """Take the map of an image from a score file, or its value in a column, over its maximum."""
    if column == "pixel_scores":
        return np.float32(1 / 255) * scores.pixel_scores(image_id).astype(np.float32)
    if column == "pixel_weights":
        largest = np.float32(scores.provenance["weight_rule"]["largest"])
        return scores.pixel_weights(image_id) / largest
    values = np.asarray(scores.image_column(column), np.float32)
    ids = scores.image_column("id").to_pylist()
    if image_id not in ids:
        msg = f"{scores.path} has no image {image_id}. Score the set that is trained with."
        raise errors.DataError(msg, code="missing_map")
    value = values[ids.index(image_id)] / max(float(np.nanmax(values)), 1e-12)
    return np.full((1, 1), np.nan_to_num(value), np.float32)
