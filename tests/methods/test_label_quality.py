"""cleanlab's ratings of labels, worked out by hand on references whose predictions are given."""

import sys

import pytest
import torch

from curate.errors import ConfigError
from curate.methods.label_quality import LabelQuality
from curate.training.networks import check_method
from tests.methods.test_out_of_fold import evidence_of, make_method
from tests.tiny import tiny_config

KEYS, LABELS = ["s0:a", "s0:b"], [[0, 1, 255], [0, 0, 1]]


def rated(quality):
    pytest.importorskip("cleanlab")
    method = make_method(LabelQuality, (0.8, 0.3), quality=quality)
    return method, evidence_of(KEYS, LABELS)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        ("self_confidence", [[0.8, 0.2, 0.5], [0.3, 0.3, 0.7]]),
        # p(label) less the other's, .8 - .2 = .6 and so on, brought to [0, 1]
        ("normalized_margin", [[0.8, 0.2, 0.5], [0.3, 0.3, 0.7]]),
    ],
)
def test_labels_are_rated_by_the_reference_that_did_not_see_them(quality, expected):
    method, seen = rated(quality)
    found = method.scores(seen).pixel[:, 0]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-3, rtol=0)


def test_the_margin_is_over_the_best_other_class():
    method, _ = rated("normalized_margin")
    probabilities = torch.tensor([0.5, 0.3, 0.2])[None, :, None, None].expand(1, 3, 1, 3)
    found = method._rate_labels(torch.tensor([[[0, 1, 2]]]), probabilities)
    # margins .2, -.2 and -.3, brought to [0, 1]
    torch.testing.assert_close(found, torch.tensor([[[0.6, 0.4, 0.35]]]))


def test_weights_are_the_ratings_over_their_mean():
    method, seen = rated("self_confidence")
    weights, _ = method.step(seen, is_warmup=False)
    ratings = torch.tensor([0.8, 0.2, 0.3, 0.3, 0.7])
    found = weights[seen.label_map != 255]
    torch.testing.assert_close(found, ratings / ratings.mean(), atol=3e-3, rtol=0)


def test_images_without_labels_are_rated_as_unknown():
    method, _ = rated("self_confidence")
    found = method.scores(evidence_of(["s0:a"], [[255, 255]]))
    assert torch.equal(found.pixel, torch.full((1, 1, 2), 0.5))


def test_a_missing_package_is_named_before_there_is_any_work(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cleanlab.rank", None)
    config = tiny_config(tmp_path, method={}).with_fit(method="label_quality")
    with pytest.raises(ConfigError, match=r"needs cleanlab.*pip install 'curate-seg\[cleanlab\]'"):
        check_method(config)
