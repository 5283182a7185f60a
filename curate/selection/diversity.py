"""Images that differ from each other: frozen features of the default backbone, and k-centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from curate import reporting
    from curate.selection.source import SubsetSource

ENCODER: Final = "efficientnet_lite0_fpn"
STAGES: Final = ("stride16", "stride32")
"""Stages of the backbone whose means over the image are its features."""
SIDE: Final = 128
"""Pixels that images are resized to, both sides."""
BATCH: Final = 16


def encode_images(
    files: Sequence[tuple[SubsetSource, int]], reporter: reporting.Reporter
) -> NDArray[np.float32]:
    """Compute what images show, as ImageNet features: (N, F), standardised, of unit length.

    Parameters
    ----------
    files : sequence of (SubsetSource, int)
        Data set and row of each.
    """
    import torch  # here, as whoever does not ask for diversity need not wait for it

    from curate.models.registry import build_segmenter

    encoder = build_segmenter(ENCODER, 2).eval()
    found = []
    reporter.start("encode", len(files))
    for start in range(0, len(files), BATCH):
        batch = torch.stack([_read_small(*each) for each in files[start : start + BATCH]])
        with torch.inference_mode():
            outputs = encoder.encode(batch, STAGES)
        found.append(torch.cat([outputs[name].mean(dim=(2, 3)) for name in STAGES], dim=1))
        reporter.advance(min(start + BATCH, len(files)))
    reporter.finish()
    features = torch.cat(found).numpy().astype(np.float32)
    features = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-6))


def spread_out(features: NDArray[np.floating], num: int) -> NDArray[np.int64]:
    """Choose rows one by one, each the farthest from all that were chosen before: k-centre.

    Greedy, at most twice the least possible radius (Gonzalez 1985, doi
    10.1016/0304-3975(85)90224-5). The first is row 0, and of equally far ones the one further up.

    Parameters
    ----------
    features : (N, F)
    num : int
        At most N.

    Examples
    --------
    >>> spread_out(np.array([[0.0], [1.0], [5.0], [9.0]]), 3).tolist()
    [0, 3, 2]
    """
    chosen = [0]
    distance = np.linalg.norm(features - features[0], axis=1)
    while len(chosen) < num:
        distance[chosen[-1]] = -1
        chosen.append(int(distance.argmax()))
        own = np.linalg.norm(features - features[chosen[-1]], axis=1)
        distance = np.minimum(distance, own)
    return np.array(chosen, np.int64)


def _read_small(source: SubsetSource, row: int) -> torch.Tensor:
    """Read an image reduced to a square, (3, H, W) in [0, 1]."""
    import torch

    pixels = source.read_image(row)
    rgb = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    small = torch.nn.functional.interpolate(rgb, (SIDE, SIDE), mode="area")
    return small[0]
