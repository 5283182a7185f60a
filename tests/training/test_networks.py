"""From a segmenter's output to evidence, on two cells of 4x4 pixels."""

import pytest
import torch

from curate.config import Config
from curate.errors import ConfigError
from curate.models import Prediction
from curate.records import Batch, Uncropped
from curate.training import loaded_run
from curate.training.networks import (
    check_method,
    gather_evidence,
    to_unit_range,
    uncropped_evidence,
)


def make_batch(uncropped=None):
    label_map = torch.zeros(3, 4, 8, dtype=torch.uint8)
    label_map[:, 2, 2], label_map[:, 2, 6] = 1, 255  # the centres of both cells
    images = torch.full((3, 3, 4, 8), 51, dtype=torch.uint8)
    keys = ("r0:a", "s0:a", "s0:b")
    is_real = torch.tensor([True, False, False])
    return Batch(images, label_map, is_real, keys, (("s0:x", "broken"),), uncropped)


def make_uncropped():
    labels = torch.zeros(2, 4, 8, dtype=torch.uint8)
    labels[1, 2, 2] = 3
    images = torch.full((2, 3, 4, 8), 204, dtype=torch.uint8)
    return Uncropped(images, labels, torch.ones(2, 2, 3))


def test_evidence_is_detached_and_read_at_the_centres():
    logits = torch.zeros(3, 2, 4, 8, requires_grad=True)
    features = torch.ones(3, 5, 2, 4, requires_grad=True)
    batch = make_batch()
    found = gather_evidence(batch, batch.images / 255, Prediction(logits * 1, {"f": features * 2}))
    assert not found.predictions.requires_grad
    assert not found.features["f"].requires_grad
    assert torch.equal(found.features["f"], torch.full((3, 5, 2, 4), 2.0))
    assert found.predictions.tolist() == [[[[0.5, 0.5]]] * 2] * 3
    assert found.label_map.tolist() == [[[1, 255]]] * 3
    assert found.label_map.dtype == torch.int64
    assert (found.keys, found.is_real.tolist()) == (batch.keys, [True, False, False])


def test_evidence_of_uncropped_images_is_of_the_synthetic_ones_alone():
    found = uncropped_evidence(make_batch(), make_uncropped(), num_classes=6)
    assert found.keys == ("s0:a", "s0:b")
    assert found.is_real.tolist() == [False, False]
    assert found.is_real.dtype == torch.bool
    assert found.label_map.tolist() == [[[0, 0]], [[3, 0]]]
    assert found.label_map.dtype == torch.int64
    assert found.predictions.shape == (2, 6, 0, 0)
    assert found.predictions.dtype == torch.float32
    assert found.images.unique().tolist() == pytest.approx([0.8])


def test_bytes_become_shares():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert to_unit_range(images).tolist() == pytest.approx([0, 0.2, 1])
    assert images.tolist() == [0, 51, 255]


def test_every_tensor_of_a_batch_is_moved():
    batch = make_batch(make_uncropped())
    moved = batch.to(torch.device("meta"))
    tensors = (moved.images, moved.label_map, moved.is_real, *moved.uncropped)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert [t.shape for t in moved.uncropped] == [t.shape for t in batch.uncropped]
    assert (moved.keys, moved.problems) == (batch.keys, batch.problems)
    assert make_batch().to(torch.device("cpu")).uncropped is None


def test_table_of_no_method_is_an_error_that_names_the_nearest():
    config = Config(method={"streems": {"folds": 2}}).with_fit(method="uniform")
    with pytest.raises(
        ConfigError, match=r"\[method\.streems\]: there is no such method\. Did you"
    ):
        check_method(config)
    wrong = Config(method={"streams": {"fold": 2}})
    with pytest.raises(ConfigError, match=r"\[method\] of streams: unknown key 'fold'"):
        check_method(wrong.with_fit(method="streams"))
    with pytest.raises(ConfigError, match=r"\[method\.streams\]: unknown key 'fold'"):
        check_method(wrong.with_fit(method="uniform"))


def test_code_that_a_table_names_needs_trust_like_any_other():
    config = Config(method={"streams": {"encoder": "evil_nets:make"}}).with_fit(method="uniform")
    assert "evil_nets:make" in loaded_run._factories(config)
