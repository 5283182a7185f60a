import pytest
import torch

from curate.grid import centres, grid_size, to_grid, warp_to_views


def test_cells_at_the_border_are_cut_off_by_it():
    assert grid_size(8, 9) == (2, 3)
    assert centres(torch.zeros(1, 8, 9)).shape == (1, 2, 3)


def test_cells_are_read_at_their_centre():
    label_map = torch.arange(36).view(1, 6, 6)
    assert centres(label_map).tolist() == [[[14, 17], [32, 35]]]
    maps = torch.zeros(1, 6, 4, dtype=torch.uint8)
    maps[0, 2, 2] = 1
    assert centres(maps).tolist() == [[[1], [0]]]


def test_finer_maps_are_averaged_and_coarser_ones_interpolated():
    values = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 1, 2, 2)
    assert to_grid(values, (1, 1)).tolist() == [[[[4.0]]]]
    assert to_grid(values, (2, 2)) is values
    assert to_grid(values, (2, 4))[0, 0].tolist() == [[1, 1.5, 2.5, 3], [5, 5.5, 6.5, 7]]


UNCHANGED = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_unchanged_view_shows_the_same_cells(size):
    cells = torch.rand(1, 2, 3, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(1, 2, 3, dtype=torch.bool)
    torch.testing.assert_close(warp_to_views(cells, valid, UNCHANGED, size), cells)


def test_view_is_flipped_about_the_middle_of_the_image():
    cells = torch.tensor([[[1.0, 2, 3]]])
    valid = torch.ones(1, 1, 3, dtype=torch.bool)
    flipped = UNCHANGED * torch.tensor([-1.0, 1, 1])
    assert warp_to_views(cells, valid, flipped, (4, 12)).tolist() == [[[3, 2, 1]]]
    # 10 pixels: the centre of the last cell is 2 pixels beyond those that are left of it
    found = warp_to_views(cells, valid, flipped, (4, 10))[0, 0]
    assert found.tolist() == pytest.approx([2.5, 1.5, 1])


def test_view_of_a_part_shows_that_part():
    cells = torch.tensor([[[1.0, 2, 3, 4]]])
    right_half = torch.tensor([[[0.5, 0, 0.5], [0, 1, 0]]])
    found = warp_to_views(cells, torch.ones(1, 1, 4, dtype=torch.bool), right_half, (4, 16))
    assert found[0, 0].tolist() == pytest.approx([2.75, 3.25, 3.75, 4])


def test_cells_that_do_not_count_are_not_interpolated_from():
    cells = torch.tensor([[[1.0, 9, 9, 9]]])
    valid = torch.tensor([[[True, False, False, False]]])
    left_half = torch.tensor([[[0.5, 0, -0.5], [0, 1, 0]]])
    found = warp_to_views(cells, valid, left_half, (4, 16))
    assert found[0, 0].tolist() == pytest.approx([1, 1, 1, 1])
    right_half = torch.tensor([[[0.5, 0, 0.5], [0, 1, 0]]])
    assert warp_to_views(cells * 0, valid, right_half, (4, 16)).tolist() == [[[1, 1, 1, 1]]]
