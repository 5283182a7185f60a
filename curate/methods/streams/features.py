"""What the streams look at: how things look, and what a segmenter takes them for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from curate.grid import grid_size, to_grid
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.methods.base import SegmentationNetwork

SMALLEST_PROBABILITY: Final = 1e-6

_TOGETHER_PX: Final = 2**24
"""Enlarged pixels that a GPU encodes at a time; their early features take some gigabytes."""


@dataclass(frozen=True, slots=True)
class StreamFeatures:
    """What the streams look at, on the weighting grid; kept in half precision to save memory.

    Attributes
    ----------
    appearance : (N, F, h, w) float16
        Features of the frozen encoder, as they come.
    log_predictions : (N, C, h, w) float16
        Logarithm of a witness's class probabilities.
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
        return self.label_map != IGNORE_INDEX

    def pick(self, rows: Sequence[int] | Tensor) -> StreamFeatures:
        """Keep some of the images, in the given order."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.label_map.device)
        return StreamFeatures(
            self.appearance[index], self.log_predictions[index], self.label_map[index]
        )


def join(parts: Sequence[StreamFeatures]) -> StreamFeatures:
    """Put the images of several together."""
    return StreamFeatures(
        torch.cat([part.appearance for part in parts]),
        torch.cat([part.log_predictions for part in parts]),
        torch.cat([part.label_map for part in parts]),
    )


def see_appearance(
    encoder: SegmentationNetwork, images: Tensor, stages: Sequence[str], *, enlarge: int
) -> Tensor:
    """Encode images (N, 3, H, W) in [0, 1]: (N, F, h, w) float16 on the weighting grid.

    Enlarging brings the features of an early stage down to the few pixels about a cell: else what
    is wrong with a cell's neighbours would count against the cell.
    """
    grid, parts = grid_size(*images.shape[2:]), []
    enlarged_px = images.shape[2] * images.shape[3] * enlarge**2
    together = max(1, _TOGETHER_PX // enlarged_px) if images.is_cuda else 1
    # On a CPU one by one, up to three times as fast: glibc gives tensors above 32 MiB back to the
    # system after every layer, and each page of the next one has to be fetched anew.
    for part in images.split(together):  # type: ignore[no-untyped-call]
        large = F.interpolate(part, scale_factor=float(enlarge), mode="bilinear")
        features = encoder.encode(large, stages)
        parts.append(torch.cat([to_grid(features[name], grid) for name in stages], dim=1).half())
    return torch.cat(parts)


def reference_log_probabilities(reference: SegmentationNetwork, images: Tensor) -> Tensor:
    """Predict images (N, 3, H, W) in [0, 1]: (N, C, h, w) float16 log-probabilities."""
    probabilities = reference(images).logits.float().softmax(dim=1)
    cells = to_grid(probabilities, grid_size(*images.shape[2:]))
    return cells.clamp(min=SMALLEST_PROBABILITY).log().half()
