from __future__ import annotations

import pytest
import torch
from torch import nn

from curate.models.fpn import FPN, FPNDecoder


class Pyramid(nn.Module):
    """Halves its input five times."""

    def forward(self, images):
        maps = []
        for _ in range(5):
            images = nn.functional.avg_pool2d(images, 2, ceil_mode=True)
            maps.append(images)
        return maps


@pytest.mark.parametrize(
    ("size", "cells"), [((64, 96), (16, 24)), ((97, 131), (25, 33)), ((33, 32), (9, 8))]
)
def test_logits_have_stride_4_rounded_up(size, cells):
    network = FPN(Pyramid(), [3] * 5, num_classes=2, width=4).eval()

    assert network(torch.rand(1, 3, *size)).shape == (1, 2, *cells)


def test_maps_are_doubled_and_summed():
    decoder = FPNDecoder([1, 1], width=1)
    decoder.smooth = nn.Identity()
    for lateral in decoder.laterals:
        nn.init.ones_(lateral.weight)
        nn.init.zeros_(lateral.bias)
    fine, coarse = torch.zeros(1, 1, 2, 3), torch.tensor([1.0, 2.0]).view(1, 1, 1, 2)
    fine[..., 0, 1] = 0.5

    assert decoder([fine, coarse])[0, 0].tolist() == [[1.0, 1.5, 2.0], [1.0, 1.0, 2.0]]
