"""Cells seen through views, and pixels of cells, on grids of a few cells."""

import math

import pytest
import torch

from curate import grid

UNCHANGED = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
ALL = torch.ones(1, 2, 2, dtype=torch.bool)


def test_views_are_left_as_they_are():
    flipped = UNCHANGED * torch.tensor([[-1.0], [1.0]])
    views = flipped.clone()
    grid.warp_to_views(torch.ones(1, 2, 2), ALL, views, (7, 7))
    assert torch.equal(views, flipped)


def test_view_turned_upside_down_of_a_cut_off_grid():
    # 7 pixels down are cells of 4 and 3: the centre of the lower one, 6, is that of 1 from above
    cells = torch.tensor([[[1.0, 1.0], [2.0, 2.0]]])
    turned = UNCHANGED * torch.tensor([[1.0], [-1.0]])
    found = grid.warp_to_views(cells, ALL, turned, (7, 8))
    # centres at 2 and 6 of 7 lie at 5 and 1 in the original: 1 + 3/4, and 1 beyond the outermost
    assert found.tolist() == [[[1.75, 1.75], [1.0, 1.0]]]


def test_probabilities_are_averaged_over_a_cell_not_logits():
    logits = torch.zeros(1, 2, 4, 4)
    logits[0, 0, :2] = math.log(3)  # 3/4
    logits[0, 0, 2:] = -math.log(7)  # 1/8
    found = grid.probabilities(logits, 1, 1)
    assert found.flatten().tolist() == pytest.approx([7 / 16, 9 / 16])
    assert grid.probabilities(logits.bfloat16(), 1, 1).dtype == torch.float32


def test_cells_are_cut_off_by_the_image():
    cells = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    found = grid.spread_to_pixels(cells, 5, 6)
    assert found.tolist() == [[[1, 1, 1, 1, 2, 2]] * 4 + [[3, 3, 3, 3, 4, 4]]]


def test_maps_of_one_finer_axis_are_averaged_and_of_coarser_ones_interpolated():
    maps = torch.arange(8.0).view(1, 1, 2, 4)
    assert grid.to_grid(maps, (1, 2)).tolist() == [[[[2.5, 4.5]]]]
    assert grid.to_grid(maps[:, :, :1, :1], (2, 2)).tolist() == [[[[0, 0], [0, 0]]]]


def test_classes_beyond_the_last_have_no_channel():
    found = grid.one_hot(torch.tensor([[[0, 1, 2, 255]]]), 2)
    assert found.tolist() == [[[[1, 0, 0, 0]], [[0, 1, 0, 0]]]]
    assert found.dtype == torch.float32
