"""Faults for methods to learn from."""

from collections import Counter

import pytest
import torch

from curate.training.injection import inject_corruptions
from tests.methods.streams.making import draw_images

KINDS = ("style", "wrong_label")
FOLDS = [0] * 12


def inject(most, times=1):
    real = draw_images(12, "r0", is_real=True, seed=1)
    return list(inject_corruptions(real, 0, KINDS, times, most, FOLDS))


def corrupted(injected):
    return [item for item in injected if item.is_corrupted.any()]


def is_same(one, other):
    return all(
        torch.equal(a, b) for a, b in ((one.image, other.image), (one.label_map, other.label_map))
    )


@pytest.mark.parametrize("times", [1, 3])
def test_every_image_is_kept_as_it_is_and_gets_every_kind_at_every_strength(times):
    injected = inject(most=10_000, times=times)
    assert Counter(item.source for item in injected) == dict.fromkeys(range(12), 1 + 4 * times)
    assert len(corrupted(injected)) == 12 * 4 * times


@pytest.mark.parametrize(("most", "expected"), [(48, 48), (24, 24), (16, 16), (47, 24)])
def test_of_many_some_are_planted_all_equally_often(most, expected):
    injected, everything = inject(most), inject(most=10_000)
    chosen = corrupted(injected)
    assert len(chosen) == expected
    assert len(injected) == 12 + expected
    assert Counter(item.parts_label for item in chosen) == {
        True: expected // 2,
        False: expected // 2,
    }
    per_image = Counter(item.source for item in chosen)
    assert max(per_image.values()) - min(per_image[row] for row in range(12)) <= 1
    for item in chosen:  # what is planted does not hang on how much is
        assert any(item.source == other.source and is_same(item, other) for other in everything)
