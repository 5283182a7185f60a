"""When a stream may speak, and how its logits become posteriors."""

import math

import pytest
import torch

from curate.methods.streams.fusion import fuse
from curate.methods.streams.opinions import (
    MOST_SURE,
    finds_less_good,
    posterior,
    real_level,
    tells_domains_apart,
)

IS_REAL = torch.tensor([True] * 8 + [False] * 8)
VALID = torch.ones(16, 2, 2, dtype=torch.bool)


def noisy_logits(shift, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = 0.3 * torch.randn(16, 2, 2, generator=generator)
    return noise + torch.where(IS_REAL, shift, -shift)[:, None, None]


def test_right_logits_may_speak():
    assert tells_domains_apart(noisy_logits(0.5), VALID, IS_REAL)


def test_logits_of_swapped_domains_may_not():
    assert not tells_domains_apart(noisy_logits(0.5), VALID, ~IS_REAL)


@pytest.mark.parametrize("seed", range(20))
def test_noise_may_not(seed):
    assert not tells_domains_apart(noisy_logits(0.0, seed), VALID, IS_REAL)
    assert not finds_less_good(noisy_logits(0.0, seed).sigmoid(), VALID, IS_REAL)


def test_worse_cells_in_synthetic_images_may_speak_but_not_better_ones():
    assert finds_less_good(noisy_logits(0.5).sigmoid(), VALID, IS_REAL)
    assert not finds_less_good(noisy_logits(-0.5).sigmoid(), VALID, IS_REAL)


def test_ignored_cells_have_no_say():
    logits = noisy_logits(0.0)
    logits[:, 0] = torch.where(IS_REAL, 9.0, -9.0)[:, None]
    valid = VALID.clone()
    valid[:, 0] = False
    assert not tells_domains_apart(logits, valid, IS_REAL)


def test_one_image_of_a_domain_is_too_few():
    is_real = torch.tensor([True] + [False] * 15)
    assert not finds_less_good(noisy_logits(0.5).sigmoid(), VALID, is_real)


def test_posterior_is_the_density_ratio_relative_to_real_cells():
    level = torch.tensor(math.log(2))
    logits = torch.tensor([math.log(2), 5.0, math.log(1.0), -20.0])
    expected = torch.tensor([MOST_SURE, MOST_SURE, 0.5, 1 - MOST_SURE])
    assert torch.allclose(posterior(logits, level), expected)


def test_real_level_is_the_median_of_labelled_real_cells():
    logits = torch.tensor([[[1.0, 2.0, 9.0]], [[7.0, 7.0, 7.0]]])
    valid = torch.tensor([[[True, True, True]], [[True, True, True]]])
    assert real_level(logits, valid, torch.tensor([True, False])) == 2.0


def test_fusion_multiplies_and_is_even_where_nobody_speaks():
    like = torch.zeros(1, 1, 2)
    a, b = torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.5, 0.2]]])
    assert torch.allclose(fuse([a, b], like), torch.tensor([[[0.25, 0.2]]]))
    assert torch.equal(fuse([], like), torch.full((1, 1, 2), 0.5))
