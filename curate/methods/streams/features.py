"""Features of the streams: how things look, and what a reference segmenter predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from curate import grid, records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.models import Segmenter

MAX_ENLARGED_PX: Final = {"cpu": 2**22, "cuda": 2**24}
"""Enlarged pixels that are encoded at a time: early features take a hundred bytes and more each."""
MARGIN_PX: Final = 32
"""Rows that are encoded above and below a strip of a large image, and forgotten."""
CHUNK_IMAGES: Final = 32
CHUNK_CELLS: Final = 2**17
"""Most images, and cells, that are computed at a time where nothing is learned."""


@dataclass(frozen=True, slots=True)
class StreamFeatures:
    """Features of images on the weighting grid; in half precision to save memory.

    Attributes
    ----------
    appearance : (N, F, h, w) float16
        Features of the frozen encoder, as they come.
    log_predictions : (N, C, h, w) float16
        Logarithm of a reference segmenter's class probabilities.
    label_map : (N, h, w) uint8
        255 = ignore.
    """

    appearance: Tensor
    log_predictions: Tensor
    label_map: Tensor

    def __len__(self) -> int:
        return len(self.label_map)

    @property
    def valid(self) -> Tensor:
        """Cells with a label, (N, h, w) bool."""
        return self.label_map != records.IGNORE_INDEX

    @property
    def num_together(self) -> int:
        """Images that are computed at a time where nothing is learned."""
        return count_together(self.label_map[0].numel())

    def take(self, rows: Sequence[int] | Tensor) -> StreamFeatures:
        """Keep some of the images, in the given order."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.label_map.device)
        return StreamFeatures(
            self.appearance[index], self.log_predictions[index], self.label_map[index]
        )

    def pick_cells(self, down: slice, across: slice) -> StreamFeatures:
        """Show some cells alone, down and across."""
        return StreamFeatures(*(maps[..., down, across] for maps in self._maps))

    def first(self, count: int) -> StreamFeatures:
        """Show the first images alone; they stay where they are."""
        return StreamFeatures(*(maps[:count] for maps in self._maps))

    def make_room(self, count: int) -> StreamFeatures:
        """Return features of so many images, yet to be `put`: what is collected is kept once."""
        return StreamFeatures(*(maps.new_empty(count, *maps.shape[1:]) for maps in self._maps))

    def put(self, rows: Sequence[int] | range, some: StreamFeatures) -> None:
        """Keep the features of some images in these rows."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.label_map.device)
        for maps, own in zip(self._maps, some._maps, strict=True):
            maps[index] = own

    @property
    def _maps(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensors."""
        return self.appearance, self.log_predictions, self.label_map


def count_together(num_cells: int) -> int:
    """Count the images of so many cells that are computed at a time."""
    return max(1, min(CHUNK_IMAGES, CHUNK_CELLS // num_cells))


def encode_appearance(
    encoder: Segmenter, images: Tensor, stages: Sequence[str], *, enlarge: int
) -> Tensor:
    """Encode images (N, 3, H, W) in [0, 1]: (N, F, h, w) float16 on the weighting grid.

    Enlarging brings the features of an early stage down to the few pixels about a cell: else
    corrupted neighbours would lower the score of a sound cell.
    """
    height, row_px = images.shape[2], images.shape[3] * enlarge**2
    most_px = MAX_ENLARGED_PX["cuda" if images.is_cuda else "cpu"]
    together = max(1, most_px // (height * row_px)) if images.is_cuda else 1
    strip = max(1, most_px // row_px // MARGIN_PX) * MARGIN_PX
    strip = height if strip + 2 * MARGIN_PX >= height else strip
    # On a CPU one by one, up to three times as fast: glibc gives tensors above 32 MiB back to the
    # system after every layer, and each page of the next one has to be fetched anew.
    found = []
    for part in images.split(together):  # type: ignore[no-untyped-call]
        strips = [
            _encode_strip(encoder, part, top, strip, stages, enlarge)
            for top in range(0, height, strip)
        ]
        found.append(torch.cat(strips, dim=2))
    return torch.cat(found)


def _encode_strip(
    encoder: Segmenter, images: Tensor, top: int, rows: int, stages: Sequence[str], enlarge: int
) -> Tensor:
    """Encode some rows of images, with a margin, to their cells."""
    start, end = max(0, top - MARGIN_PX), min(images.shape[2], top + rows + MARGIN_PX)
    strip = images[:, :, start:end]
    # channel by channel: torch interpolates a few channels together three times slower
    planes = F.interpolate(
        strip.flatten(0, 1)[:, None], scale_factor=float(enlarge), mode="bilinear"
    )
    large = planes.view(*strip.shape[:2], *planes.shape[2:])
    features, cells = encoder.encode(large, stages), grid.grid_size(*strip.shape[2:])
    encoded = torch.cat([grid.to_grid(features[name], cells) for name in stages], dim=1).half()
    first, count = ((top - start) // records.GRID_STRIDE, -(-rows // records.GRID_STRIDE))
    return encoded[:, :, first : first + count]
