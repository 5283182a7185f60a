"""Who trains on what, and who predicts what: references whose predictions are given."""

import pytest
import torch

from curate.methods import Preparation, out_of_fold
from curate.methods import references as reference_segmenters
from curate.records import Evidence
from tests.methods.making import make_context


class ByProbability(out_of_fold.OutOfFold):
    """Rates by the probability of class 0."""

    @classmethod
    def build(cls, settings, context):
        return cls(settings, context)

    def rate(self, evidence):
        return self.predict(evidence)[:, 0]


def make_method(kind=ByProbability, probabilities=(0.8, 0.5), **settings):
    chosen = getattr(kind, "Settings", out_of_fold.OutOfFoldSettings)
    return kind.build(chosen(folds=len(probabilities), **settings), make_context(probabilities))


def evidence_of(keys, labels):
    """Images of one row of cells."""
    labels = torch.tensor(labels)[:, None]
    return Evidence(
        predictions=torch.full((len(keys), 2, *labels.shape[1:]), 0.5),
        label_map=labels,
        images=torch.zeros(len(keys), 3, 4, 4 * labels.shape[2]),
        is_real=torch.tensor([key.startswith("r") for key in keys]),
        keys=tuple(keys),
    )


def test_images_of_the_training_are_predicted_by_the_reference_of_their_fold_alone():
    seen = evidence_of(["r0:a", "r0:b", "s0:b", "x:new"], [[0]] * 4)
    found = make_method().predict(seen)[:, :, 0, 0]
    first = torch.tensor([0.8, 0.5, 0.5, 0.65])  # an unknown image: the mean of all
    torch.testing.assert_close(found, torch.stack([first, 1 - first], dim=1), atol=1e-3, rtol=0)


def test_a_synthetic_image_is_shown_to_one_reference_in_training_and_to_all_in_scoring():
    method = make_method()
    seen = evidence_of(["r0:a", "s0:a", "s0:b", "s0:b"], [[0]] * 4)
    found = method.predict_synthetic(seen.pick([1, 2, 3]))[:, 0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.8, 0.5, 0.5]), atol=1e-3, rtol=0)
    assert [reference.num_seen for reference in method.references] == [1, 2]
    method.predict(seen)  # what else is in a batch must not matter
    assert [reference.num_seen for reference in method.references] == [5, 6]


def test_references_stay_in_evaluation_mode():
    assert not any(reference.training for reference in make_method().train().references)


@pytest.fixture
def asked(monkeypatch):
    """What references were to be trained on: (excluded, steps, seed) each."""
    found = []

    def train_reference(reference, preparation, excluded, **options):
        found.append((excluded, options["steps"], options["seed"]))
        yield from range(options["steps"])

    monkeypatch.setattr(reference_segmenters, "train_reference", train_reference)
    return found


def test_references_share_the_steps_and_learn_from_the_other_folds(asked):
    preparation = Preparation(None, None, None, None, None, seed=7, num_steps=60)
    method = make_method(reference_share=0.5)
    progress = list(method.prepare(preparation))
    assert [excluded for excluded, _, _ in asked] == [{"r0:a", "s0:a"}, {"r0:b", "s0:b"}]
    assert [steps for _, steps, _ in asked] == [15, 15]  # half of 60, shared by two
    assert asked[0][2] != asked[1][2]
    assert [p for p in progress if p.is_safe] == [(1, 2, True, 0), (2, 2, True, 0)]
    assert list(method.prepare(preparation)) == []  # all is learned
    method = make_method(reference_share=1.0, reference_steps=20)
    _ = list(method.prepare(preparation))
    assert [steps for _, steps, _ in asked[2:]] == [20, 20]


def test_a_single_reference_learns_from_all(asked):
    preparation = Preparation(None, None, None, None, None, seed=7, num_steps=60)
    _ = list(make_method(probabilities=(0.8,)).prepare(preparation))
    assert asked[0][0] == set()
