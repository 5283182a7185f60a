"""Means, standard errors and areas of a few images, worked out by hand."""

import math

import pytest
import torch

from curate.methods.streams.calibration import (
    MIN_POSTERIOR,
    REAL_QUANTILE,
    calibrate_logits,
    cell_auroc,
    domain_posterior,
    finds_corruption,
    mean_of_images,
    real_quantile,
    separates_domains,
)
from curate.methods.streams.fusion import Fusion, measure_agreement
from curate.methods.streams.streams import STREAMS

IS_REAL = torch.tensor([True, True, False, False])


def images(*values):
    """One value for both cells of each image."""
    return torch.tensor(values)[:, None, None].expand(len(values), 1, 2).clone()


def all_valid(num):
    return torch.ones(num, 1, 2, dtype=torch.bool)


def test_images_are_averaged_over_their_valid_cells_and_left_out_without_any():
    cells = torch.tensor([[[1.0, 3.0]], [[5.0, 99.0]], [[99.0, 99.0]]])
    valid = torch.tensor([[[True, True]], [[True, False]], [[False, False]]])
    assert mean_of_images(cells, valid).tolist() == [2, 5]


def test_difference_must_be_three_standard_errors():
    # Real images have means of 0.5 + d and 0.5 + d +- 0.1, synthetic ones 0.5 +- 0.1: variances
    # 0.02, standard error of the difference of means (0.02 / 2 + 0.02 / 2) ** 0.5 = 0.1414
    for difference, is_found in ((0.43, True), (0.42, False), (-0.43, False)):
        goodness = images(0.6 + difference, 0.4 + difference, 0.6, 0.4)
        assert finds_corruption(goodness, all_valid(4), IS_REAL) == is_found


def test_difference_of_a_rounding_error_is_none_however_sure():
    for difference, is_found in ((1e-5, True), (3e-7, False)):
        goodness = images(0.0, 0.0, -difference, -difference)
        assert finds_corruption(goodness, all_valid(4), IS_REAL) == is_found


def test_two_images_of_each_domain_are_enough_and_one_is_not():
    goodness = images(0.9, 0.9, 0.1, 0.1)
    assert finds_corruption(goodness, all_valid(4), IS_REAL)
    for rows in ([0, 2, 3], [0, 1, 2]):
        assert not finds_corruption(goodness[rows], all_valid(3), IS_REAL[rows])
    valid = all_valid(4)
    valid[3] = False  # an image without a label is none
    assert not finds_corruption(goodness, valid, IS_REAL)


def test_domains_are_told_apart_by_logits_of_the_right_sign():
    assert separates_domains(images(2.0, 2.1, -2.0, -2.1), all_valid(4), IS_REAL)
    assert not separates_domains(images(-2.0, -2.1, 2.0, 2.1), all_valid(4), IS_REAL)
    assert not separates_domains(images(2.0, -2.1, 2.0, -2.1), all_valid(4), IS_REAL)


def test_calibration_brings_logits_to_the_odds_of_the_images():
    # Ten images a domain. A logit of 5 is right of 8 in 10 real and wrong of 2 in 10 synthetic
    # images, one of -5 the other way round: odds of 4 to 1. A tiny pull leaves it close to that.
    real = torch.tensor([True] * 10 + [False] * 10)
    logits = torch.tensor([5.0] * 8 + [-5.0] * 2 + [5.0] * 2 + [-5.0] * 8)[:, None, None]
    valid = torch.ones(20, 1, 1, dtype=torch.bool)
    found = calibrate_logits(logits, valid, real).flatten()
    assert found.tolist() == pytest.approx((logits.flatten() / 5 * math.log(4)).tolist(), abs=0.05)
    shifted = calibrate_logits(logits - 3, valid, real).flatten()
    assert shifted.tolist() == pytest.approx(found.tolist(), abs=0.05)


def test_calibration_counts_each_domain_and_each_image_the_same():
    # two real images against six synthetic ones, one of which has twice the cells: no sign of
    # either domain, so that what is left is an offset of 0
    real = torch.tensor([True] * 2 + [False] * 6)
    logits = torch.zeros(8, 1, 2)
    valid = all_valid(8)
    valid[:7, 0, 1] = False
    assert calibrate_logits(logits, valid, real).abs().max() < 1e-3
    # of one domain, an image with two cells counts as much as one with a single one
    logits = torch.tensor([[[2.0, 9.0]], [[-2.0, -2.0]], [[2.0, 9.0]], [[-2.0, -2.0]]])
    valid = torch.tensor([[[True, False]], [[True, True]]] * 2)
    assert (
        calibrate_logits(logits, valid, IS_REAL).abs().max() < 0.02
    )  # as in both domains: no scale


def test_calibration_never_turns_logits_upside_down():
    found = calibrate_logits(images(-2.0, -1.0, 1.0, 2.0), all_valid(4), IS_REAL)
    assert found.unique().numel() == 1
    assert found[0, 0, 0].item() == pytest.approx(0, abs=1e-2)


def test_level_is_what_three_in_four_real_cells_reach():
    logits = torch.arange(9.0).view(1, 1, 9)
    valid = torch.ones(1, 1, 9, dtype=torch.bool)
    assert real_quantile(logits, valid, torch.tensor([True])) == 2
    assert REAL_QUANTILE == 0.25


def test_posterior_lies_between_its_least_and_one():
    found = domain_posterior(torch.tensor([5.0, 1.0, 1.0 - math.log(4), -50.0]), torch.tensor(1.0))
    assert found.tolist() == pytest.approx([1, 1, 0.25, 0.005])
    assert MIN_POSTERIOR == 0.005


def test_area_is_that_of_valid_cells():
    logits = torch.tensor([[[2.0, 0.0]], [[1.0, 50.0]]])
    valid = torch.tensor([[[True, True]], [[True, False]]])
    assert cell_auroc(logits, valid, torch.tensor([True, False])) == 0.5


def test_agreement_counts_what_the_corruption_stream_calls_sound():
    # sound is a logit above 0: one cell of three, which outranks one of the others
    for logit in (0.0, -0.5):
        decided = torch.tensor([logit, -2.0, 3.0])
        assert measure_agreement(torch.tensor([5.0, 1.0, 2.0]), decided) == 0


def test_streams_become_active_by_the_measure_of_what_they_were_trained_on():
    # Logits of 30 and 20 tell the domains apart, but of both a cell is sure to be sound.
    logits = {name: images(30.0, 31.0, 20.0, 21.0) for name in STREAMS}
    fusion = Fusion()
    fusion.calibrate(logits, torch.zeros(4, 1, 2, dtype=torch.uint8), IS_REAL)
    assert fusion.active_streams == ("appearance", "semantics", "layout")
    assert fusion.aurocs.tolist() == [1] * 5
    assert fusion.quantiles.tolist() == [30] * 5  # of two images, the lower one
