import numpy as np
import pytest
import torch

from curate.workflows.cells import NUM_STEPS, quantise, to_cells


def test_a_ramp_over_the_network_grid_is_a_ramp_over_the_original():
    # a network grid of 8 x 8 cells over 32 x 32 pixels; the original is 64 x 64
    ramp = (torch.arange(8.0) + 0.5) / 8
    maps = ramp.expand(8, 8)[None]
    cells = to_cells(maps, size=(32, 32), height=64, width=64, stride=4)[0]
    assert cells.shape == (16, 16)
    expected = (np.arange(16) + 0.5) / 16
    assert cells[0, 1:-1].numpy() == pytest.approx(expected[1:-1], abs=1e-6)


def test_cells_stay_aligned_where_sides_are_no_multiples():
    # 5 grid cells over 18 pixels reach to 20; an original of the same size must not be stretched
    ramp = torch.arange(5.0)[None, None].expand(1, 5, 5) * 4 + 2
    cells = to_cells(ramp, size=(18, 18), height=18, width=18, stride=2)[0]
    assert cells[0, 1:].numpy() == pytest.approx(np.arange(3, 18, 2), abs=1e-5)


def test_stored_scores_are_rounded_to_few_steps_and_reach_both_ends():
    scores = np.linspace(0, 1, 1001, dtype=np.float32)
    stored = quantise(scores)
    assert (stored[0], stored[-1], len(np.unique(stored))) == (0, 255, NUM_STEPS + 1)
    assert abs(stored / 255 - scores).max() < 0.0064
