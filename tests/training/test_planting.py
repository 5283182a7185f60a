"""Faults for methods to learn from."""

from collections import Counter

import pytest
import torch

from curate.training.planting import plant_faults
from tests.methods.streams.making import draw_images

KINDS = ("style", "wrong_label")
FOLDS = [0] * 12


def plant(most, times=1):
    real = draw_images(12, "r0", is_real=True, seed=1)
    return list(plant_faults(real, 0, KINDS, times, most, FOLDS))


def spoiled(planted):
    return [item for item in planted if item.is_spoiled.any()]


def is_same(one, other):
    return all(
        torch.equal(a, b) for a, b in ((one.image, other.image), (one.label_map, other.label_map))
    )


@pytest.mark.parametrize("times", [1, 3])
def test_every_image_is_kept_as_it_is_and_gets_every_kind_at_every_strength(times):
    planted = plant(most=10_000, times=times)
    assert Counter(item.source for item in planted) == dict.fromkeys(range(12), 1 + 4 * times)
    assert len(spoiled(planted)) == 12 * 4 * times


@pytest.mark.parametrize(("most", "expected"), [(48, 48), (24, 24), (16, 16), (47, 24)])
def test_of_many_some_are_planted_all_equally_often(most, expected):
    planted, everything = plant(most), plant(most=10_000)
    chosen = spoiled(planted)
    assert len(chosen) == expected
    assert len(planted) == 12 + expected
    assert Counter(item.parts_label for item in chosen) == {
        True: expected // 2,
        False: expected // 2,
    }
    per_image = Counter(item.source for item in chosen)
    assert max(per_image.values()) - min(per_image[row] for row in range(12)) <= 1
    for item in chosen:  # what is planted does not hang on how much is
        assert any(item.source == other.source and is_same(item, other) for other in everything)
