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

MAX_ENLARGED_PX: Final = 2**24
"""Enlarged pixels that a GPU encodes at a time; their early features take some gigabytes."""


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

    def take(self, rows: Sequence[int] | Tensor) -> StreamFeatures:
        """Keep some of the images, in the given order."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.label_map.device)
        return StreamFeatures(
            self.appearance[index], self.log_predictions[index], self.label_map[index]
        )


def join_features(parts: Sequence[StreamFeatures]) -> StreamFeatures:
    """Join the images of several."""
    return StreamFeatures(
        torch.cat([part.appearance for part in parts]),
        torch.cat([part.log_predictions for part in parts]),
        torch.cat([part.label_map for part in parts]),
    )


def encode_appearance(
    encoder: Segmenter, images: Tensor, stages: Sequence[str], *, enlarge: int
) -> Tensor:
    """Encode images (N, 3, H, W) in [0, 1]: (N, F, h, w) float16 on the weighting grid.

    Enlarging brings the features of an early stage down to the few pixels about a cell: else
    corrupted neighbours would lower the score of a sound cell.
    """
    cells, parts = grid.grid_size(*images.shape[2:]), []
    enlarged_px = images.shape[2] * images.shape[3] * enlarge**2
    together = max(1, MAX_ENLARGED_PX // enlarged_px) if images.is_cuda else 1
    # On a CPU one by one, up to three times as fast: glibc gives tensors above 32 MiB back to the
    # system after every layer, and each page of the next one has to be fetched anew.
    for part in images.split(together):  # type: ignore[no-untyped-call]
        large = F.interpolate(part, scale_factor=float(enlarge), mode="bilinear")
        features = encoder.encode(large, stages)
        parts.append(
            torch.cat([grid.to_grid(features[name], cells) for name in stages], dim=1).half()
        )
    return torch.cat(parts)
