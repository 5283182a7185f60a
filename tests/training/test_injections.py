"""Which image is corrupted by what, with which donor, by a corruption that only takes notes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from curate import corruptions
from curate.records import Batch
from curate.training import preparation
from curate.training.preparation import choose_superpixels, inject_corruptions

FOLDS = (0, 1, 0, 1, 0, 2)
"""Of six images; image i has the value i everywhere."""


class Notes:
    """Turns an image into its donor, and marks everything as corrupted."""

    def __init__(self, name, *, is_mismatch=False):
        self.name, self.is_mismatch = name, is_mismatch
        self.calls = []

    def inject(self, source, rng, *, strength, share):
        donor = int(source.donor_image[0, 0, 0])
        self.calls.append(
            SimpleNamespace(
                image=int(source.image[0, 0, 0]),
                donor=donor,
                labels=(int(source.label_map[0, 0]), int(source.donor_label_map[0, 0])),
                strength=strength,
                share=share,
                drawn=rng.random(),
            )
        )
        label_map = source.donor_label_map.astype(np.int64)
        return corruptions.Corrupted(source.donor_image, label_map, np.ones((4, 4), np.bool_))


@pytest.fixture
def chosen(monkeypatch):
    notes = {"a": Notes("a"), "b": Notes("b", is_mismatch=True)}
    monkeypatch.setattr(preparation, "_choose", lambda names: {n: notes[n] for n in names})
    return notes


def make_real():
    label_map = torch.arange(6, dtype=torch.uint8)[:, None, None].expand(6, 4, 4)
    images = label_map[:, None].expand(6, 3, 4, 4)
    keys = tuple(f"r0:{row}" for row in range(6))
    return Batch(images, label_map, torch.ones(6, dtype=torch.bool), keys)


def inject(names=("a", "b"), times=1, most=1000, seed=0):
    return list(inject_corruptions(make_real(), seed, names, times, most, FOLDS))


def test_every_image_comes_first_as_it_is_then_with_all_corruptions(chosen):
    injected = inject(times=2)
    assert [row for row, _, _ in injected] == [row for row in range(6) for _ in range(9)]
    for row, corrupted, is_mismatch in injected[::9]:
        assert (corrupted.image == row).all()
        assert (corrupted.label_map == row).all()
        assert not corrupted.is_corrupted.any()
        assert is_mismatch  # it shows what a match is
    of_first = [(image.is_corrupted.all(), is_mismatch) for _, image, is_mismatch in injected[1:9]]
    assert of_first == [(True, False)] * 4 + [(True, True)] * 4
    strengths = [call.strength for call in chosen["a"].calls[:4]]
    assert strengths == ["mild", "mild", "strong", "strong"]


def test_donors_are_other_images_of_the_same_fold(chosen):
    inject(times=8)
    for notes in chosen.values():
        donors = {
            row: {call.donor for call in notes.calls if call.image == row} for row in range(6)
        }
        # the only image of fold 2 has nobody but itself
        assert donors == {0: {2, 4}, 1: {3}, 2: {0, 4}, 3: {1}, 4: {0, 2}, 5: {5}}
        assert all(call.labels == (call.image, call.donor) for call in notes.calls)


def test_shares_are_drawn_from_their_range(chosen):
    inject(times=8)
    shares = [call.share for call in chosen["a"].calls]
    assert 0.2 <= min(shares) < 0.25
    assert 0.65 < max(shares) <= 0.7


def test_draws_are_keyed_by_seed_image_corruption_strength_and_number(chosen):
    inject(times=2)
    drawn = [call.drawn for notes in chosen.values() for call in notes.calls]
    assert len(set(drawn)) == len(drawn) == 6 * 8
    for notes in chosen.values():
        notes.calls.clear()
    inject(times=1)
    again = {call.drawn for notes in chosen.values() for call in notes.calls}
    assert again < set(drawn)  # what is drawn for one does not hang on how many others there are
    chosen["a"].calls.clear()
    inject(names=("a",), seed=1)
    assert not {call.drawn for call in chosen["a"].calls} & again


@pytest.mark.parametrize(("most", "per_image"), [(24, 4), (23, 2), (12, 2), (6, 1), (4, 1)])
def test_each_image_gets_some_in_turn_where_all_are_too_many(chosen, most, per_image):
    injected = inject(most=most)
    num_corrupted = sum(bool(image.is_corrupted.any()) for _, image, _ in injected)
    assert num_corrupted <= most
    if most >= 6:
        counts = [sum(row == own for own, _, _ in injected) - 1 for row in range(6)]
        assert counts == [per_image] * 6
        kinds = [len(notes.calls) for notes in chosen.values()]
        assert abs(kinds[0] - kinds[1]) <= 2


def test_images_are_of_the_types_of_a_batch(chosen):
    _, corrupted, _ = inject()[1]
    assert corrupted.image.dtype == np.uint8
    assert corrupted.is_corrupted.dtype == np.bool_


def test_mixture_is_of_those_that_are_named_beside_it():
    found = preparation._choose(("blur", "noise", "mixture"))
    assert list(found) == ["blur", "noise", "mixture"]
    mixed = found["mixture"]
    assert isinstance(mixed, corruptions.Mixture)
    assert [type(each) for each in mixed.corruptions] == [
        type(found["blur"]),
        type(found["noise"]),
    ]
    assert isinstance(preparation._choose(("mixture",))["mixture"], corruptions.Mixture)


def test_superpixels_are_chosen_where_there_is_a_class():
    across, down = torch.arange(48).expand(32, 48), torch.arange(32)[:, None].expand(32, 48)
    image = torch.stack([5 * across, 7 * down, across + down]).byte()
    label_map = torch.full((32, 48), 255, dtype=torch.uint8)
    assert choose_superpixels(image, label_map, 0.5, np.random.default_rng(0)) is None
    label_map.fill_(1)
    mask = choose_superpixels(image, label_map, 0.5, np.random.default_rng(0))
    assert mask.shape == (32, 48)
    assert mask.dtype == torch.bool
    assert 0.3 < mask.float().mean() < 0.7
