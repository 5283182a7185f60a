import torch

from curate.grid import centres, grid_size, to_grid


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
