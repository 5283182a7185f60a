"""When a stream is active, and how its logits become posteriors."""

import math

import pytest
import torch

from curate.methods.streams.calibration import (
    MIN_POSTERIOR,
    calibrate_logits,
    domain_posterior,
    finds_corruption,
    real_quantile,
    separates_domains,
)
from tests.methods.streams.making import IS_REAL

VALID = torch.ones(16, 2, 2, dtype=torch.bool)


def noisy_logits(shift, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = 0.3 * torch.randn(16, 2, 2, generator=generator)
    return noise + torch.where(IS_REAL, shift, -shift)[:, None, None]


def test_right_logits_are_active():
    assert separates_domains(noisy_logits(0.5), VALID, IS_REAL)


def test_logits_of_swapped_domains_are_not():
    assert not separates_domains(noisy_logits(0.5), VALID, ~IS_REAL)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_not(seed):
    assert not separates_domains(noisy_logits(0.0, seed), VALID, IS_REAL)
    assert not finds_corruption(noisy_logits(0.0, seed).sigmoid(), VALID, IS_REAL)


def test_logits_that_take_every_unseen_image_for_synthetic_are_active():
    assert separates_domains(noisy_logits(0.5) - 3, VALID, IS_REAL)


def test_calibration_finds_scale_and_offset():
    generator = torch.Generator().manual_seed(0)
    is_real = torch.arange(9000) % 2 == 0
    is_right = torch.rand(9000, generator=generator) < 0.8
    fair = torch.where(is_right == is_real, math.log(4), -math.log(4))
    logits = torch.stack([3 * fair - 1, torch.full((9000,), 9.0)], dim=1)[:, None]
    valid = torch.tensor([True, False]).expand(9000, 1, 2)
    found = calibrate_logits(logits, valid, is_real)
    assert torch.allclose(found[valid], fair, atol=0.1)


def test_calibration_of_one_domain_is_finite():
    assert calibrate_logits(noisy_logits(0.5), VALID, IS_REAL & False).isfinite().all()


def test_lower_scores_of_synthetic_images_are_active_but_not_higher_ones():
    assert finds_corruption(noisy_logits(0.5).sigmoid(), VALID, IS_REAL)
    assert not finds_corruption(noisy_logits(-0.5).sigmoid(), VALID, IS_REAL)


def test_ignored_cells_do_not_count():
    logits = noisy_logits(0.0)
    logits[:, 0] = torch.where(IS_REAL, 9.0, -9.0)[:, None]
    valid = VALID.clone()
    valid[:, 0] = False
    assert not separates_domains(logits, valid, IS_REAL)


def test_one_image_of_a_domain_is_too_few():
    is_real = torch.tensor([True] + [False] * 15)
    assert not finds_corruption(noisy_logits(0.5).sigmoid(), VALID, is_real)


def test_posterior_is_the_density_ratio_relative_to_real_cells():
    quantile = torch.tensor(math.log(2))
    logits = torch.tensor([math.log(2), 5.0, math.log(1.0), -20.0])
    expected = torch.tensor([1.0, 1.0, 0.5, MIN_POSTERIOR])
    assert torch.allclose(domain_posterior(logits, quantile), expected)


def test_three_in_four_labelled_real_cells_reach_the_real_quantile():
    logits = torch.tensor([[[9.0, 2.0, 1.0, 5.0, 4.0, -3.0]], [[-7.0] * 6]])
    valid = torch.tensor([[[True] * 5 + [False]], [[True] * 6]])
    assert real_quantile(logits, valid, torch.tensor([True, False])) == 2.0
    assert real_quantile(logits, ~valid & False, torch.tensor([True, False])) == 0.0
