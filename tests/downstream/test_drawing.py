from __future__ import annotations

import numpy as np
import pytest
import torch.distributed as dist
from torch.utils.data import DistributedSampler

from curate.downstream import ImageSampler
from curate.errors import UsageError


def test_rows_are_drawn_in_proportion_to_their_weights():
    sampler = ImageSampler([0.0, 1.0, 3.0, np.nan], 40_000)
    counts = np.bincount(list(sampler), minlength=4)
    assert counts[[0, 3]].tolist() == [0, 0]
    assert counts[1] / 10_000 == pytest.approx(1, abs=0.04)  # three standard deviations: 0.03
    assert counts[2] / 30_000 == pytest.approx(1, abs=0.02)


def test_each_epoch_draws_anew_and_can_be_drawn_again():
    sampler = ImageSampler(np.ones(50))
    first, second = list(sampler), list(sampler)
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(ImageSampler(np.ones(50), seed=1)) != first


def test_processes_share_one_draw():
    weights = np.arange(7.0)
    parts = [list(ImageSampler(weights, 9, num_replicas=2, rank=rank)) for rank in (0, 1)]
    whole = list(ImageSampler(weights, 10))
    assert [len(part) for part in parts] == [5, 5]
    assert [row for pair in zip(*parts, strict=True) for row in pair] == whole


def test_a_distributed_sampler_over_it_divides_one_draw():
    whole = list(ImageSampler(np.arange(8.0)))
    found = []
    for rank in (0, 1):
        drawn = list(ImageSampler(np.arange(8.0)))
        found.append([drawn[i] for i in DistributedSampler(drawn, 2, rank, shuffle=False)])
    assert [row for pair in zip(*found, strict=True) for row in pair] == whole


def test_more_rows_than_a_multinomial_takes():
    weights = np.zeros(2**24 + 3, np.float32)
    weights[[5, -1]] = 1
    assert set(ImageSampler(weights, 64)) == {5, 2**24 + 2}


def test_several_processes_must_say_who_divides(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(UsageError, match="would all draw the same images"):
        ImageSampler([1.0])
    assert len(ImageSampler([1.0, 1.0], num_replicas=1)) == 2


@pytest.mark.parametrize("weights", [[], [0.0], [np.nan], [1.0, -1.0], [[1.0]], [np.inf]])
def test_weights_that_say_nothing_are_refused(weights):
    with pytest.raises(UsageError, match="weights of images must be"):
        ImageSampler(weights)
