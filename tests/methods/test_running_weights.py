"""Weights from a running histogram, worked out by hand."""

import math

import pytest
import torch

from curate.methods.running_weights import DECAY, RunningWeights
from curate.weighting import WeightRule, fit_weight_rule

ALL = torch.ones(1, 1, 4, dtype=torch.bool)


def make(**settings):
    return RunningWeights(
        **({"min_ess": 0.1, "max_power": 1.0, "clip": 10.0, "uniform": 0.0} | settings)
    )


def cells(*values):
    return torch.tensor(values).view(1, 1, -1)


def test_weights_are_scores_over_their_mean():
    # scores that are bins: 51/255 = 0.2; power 1; mean (0.2 + 0.4 + 0.4 + 1) / 4 = 0.5
    weights, ess = make().weigh(cells(0.2, 0.4, 0.4, 1.0), ALL)
    assert weights.flatten().tolist() == pytest.approx([0.4, 0.8, 0.8, 2.0], rel=1e-5)
    # (sum w)^2 / (n sum w^2) = 16 / (4 * (0.16 + 0.64 + 0.64 + 4))
    assert ess.item() == pytest.approx(16 / (4 * 5.44), rel=1e-5)


def test_settings_reach_the_rule():
    scores = cells(0.2, 0.4, 0.4, 1.0)
    squared, _ = make(max_power=2.0).weigh(scores, ALL)
    # squares 0.04, 0.16, 0.16, 1: mean 0.34
    assert squared.flatten().tolist() == pytest.approx([4 / 34, 16 / 34, 16 / 34, 100 / 34], 1e-5)
    mixed, _ = make(uniform=0.5).weigh(scores, ALL)
    assert mixed.flatten().tolist() == pytest.approx([0.7, 0.9, 0.9, 1.5], rel=1e-5)
    clipped, _ = make(clip=1.2).weigh(scores, ALL)
    # 0.4, 0.8, 0.8, 1.2 have the mean 0.8
    assert clipped.flatten().tolist() == pytest.approx([0.5, 1, 1, 1.5], rel=1e-5)
    _, ess = make(min_ess=0.9).weigh(scores, ALL)
    assert ess.item() == pytest.approx(0.9, abs=1e-4)


def test_cells_that_are_not_valid_synthetic_ones_leave_no_trace():
    synthetic = torch.tensor([[[True, True, False, False]]])
    weights, ess = make().weigh(cells(0.2, 0.4, 0.8, 1.0), synthetic)
    assert weights.flatten()[:2].tolist() == pytest.approx([2 / 3, 4 / 3], rel=1e-5)
    assert ess.item() == pytest.approx(4 / (2 * (4 / 9 + 16 / 9)), rel=1e-5)


def test_histogram_forgets_a_twentieth_a_step():
    running = make()
    running.weigh(cells(0.2, 0.2, 0.2, 0.2), ALL)
    weights, _ = running.weigh(cells(0.8, 0.8, 0.8, 0.8), ALL)
    assert DECAY == 0.95
    assert running.histogram[51].item() == pytest.approx(4 * 0.95, rel=1e-4)
    assert running.histogram[204].item() == pytest.approx(4, rel=1e-4)
    mean = (0.95 * 0.2 + 0.8) / 1.95
    assert weights.flatten()[0].item() == pytest.approx(0.8 / mean, rel=1e-5)


def test_score_between_two_bins_counts_for_both_in_part():
    running = make()
    running.weigh(cells(0.5, 1.0, 0.0, 10.25 / 255), ALL)
    found = running.histogram
    # 0.5 lies between 127/255 and 128/255; what is at the end counts for the end alone
    assert found[[127, 128]].tolist() == pytest.approx([0.5, 0.5], abs=1e-4)
    assert found[[10, 11]].tolist() == pytest.approx([0.75, 0.25], abs=1e-4)
    assert found[[0, 255]].tolist() == [1, 1]
    assert found.sum().item() == pytest.approx(4)
    assert len(found) == 256


def test_nothing_seen_weighs_one_and_has_no_sample_size():
    weights, ess = make().weigh(cells(0.2, 0.4, 0.4, 1.0), ~ALL)
    assert weights.flatten().tolist() == [1] * 4
    assert math.isnan(ess.item())
    assert make().rule() == WeightRule()


def test_single_cell_makes_a_rule():
    weights, ess = make().weigh(cells(0.2, 0.4, 0.4, 1.0), cells(0.0, 1.0, 0.0, 0.0) > 0)
    assert weights.flatten().tolist() == pytest.approx([0.5, 1, 1, 2.5], rel=1e-3)
    assert ess.item() == pytest.approx(1)


def test_rule_is_the_one_fitted_to_the_histogram():
    running = make(min_ess=0.7, max_power=6.0, clip=3.0, uniform=0.2)
    running.weigh(cells(0.2, 0.4, 0.6, 1.0), ALL)
    assert running.rule() == fit_weight_rule(
        running.histogram.numpy(), min_ess=0.7, max_power=6.0, clip=3.0, uniform=0.2
    )
