import copy

import pytest
import timm
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from curate.models import build_segmenter
from curate.models.batchnorm import GlobalBatchNorm, synchronise_batchnorm
from tests.ranks import Ranks

CPU = torch.device("cpu")
LAYERS = {
    "affine": lambda: nn.BatchNorm2d(3, momentum=0.3),
    "plain": lambda: nn.BatchNorm2d(3, affine=False, eps=0.1),
    "cumulative": lambda: nn.BatchNorm2d(3, momentum=None),
    "untracked": lambda: nn.BatchNorm2d(3, track_running_stats=False),
    "activated": lambda: timm.layers.BatchNormAct2d(3, act_layer=nn.ReLU6),
}


def make_layer(name):
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    for tensor in layer.parameters():
        nn.init.normal_(tensor)
    return layer


def run_layer(layer, images):
    """Two steps; the loss tells the cells apart, so that nothing cancels."""
    images = images.clone().requires_grad_()
    for _ in range(2):
        out = layer(images)
        (out * torch.arange(out[0].numel()).view(out[0].shape) * images.detach()).sum().backward()
    return out.detach(), images.grad


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("num_first", [2, 3])
def test_shares_of_a_batch_are_normalised_like_the_whole(monkeypatch, name, num_first):
    images = torch.randn(4, 3, 2, 5, generator=torch.Generator().manual_seed(1)).double() * 3 + 1
    whole = make_layer(name)
    expected, expected_gradient = run_layer(whole, images)

    shares = images.split([num_first, 4 - num_first])
    layers = [GlobalBatchNorm(make_layer(name)) for _ in shares]
    ranks = Ranks(monkeypatch)
    results = ranks.run(lambda rank: run_layer(layers[rank], shares[rank]))

    torch.testing.assert_close(torch.cat([out for out, _ in results]), expected)
    torch.testing.assert_close(torch.cat([grad for _, grad in results]), expected_gradient)
    for key, value in whole.named_parameters():
        summed = sum(dict(layer.named_parameters())[key].grad for layer in layers)
        torch.testing.assert_close(summed, value.grad)
    for layer in layers:
        torch.testing.assert_close(layer.state_dict(), whole.state_dict())
        torch.testing.assert_close(layer.eval()(images), whole.eval()(images))


def test_the_default_segmenter_keeps_its_keys_parameters_and_predictions():
    segmenter = build_segmenter("efficientnet_lite0_fpn", 3, "none").double()
    original = copy.deepcopy(segmenter)
    before = dict(segmenter.named_parameters())
    synchronise_batchnorm(segmenter, CPU)
    assert list(segmenter.state_dict()) == list(original.state_dict())
    assert all(after is before[name] for name, after in segmenter.named_parameters())
    kinds = {type(layer) for layer in segmenter.modules() if isinstance(layer, _BatchNorm)}
    assert kinds == {GlobalBatchNorm}
    images = torch.rand(2, 3, 64, 96).double()
    for mode in (True, False):
        torch.testing.assert_close(
            segmenter.train(mode)(images).logits, original.train(mode)(images).logits
        )


def test_the_default_segmenter_has_no_dropout():
    network = build_segmenter("efficientnet_lite0_fpn", 3, "none").train()
    dropping = [m for m in network.modules() if "drop" in type(m).__name__.lower()]
    assert [m for m in dropping if getattr(m, "p", 0) or getattr(m, "drop_prob", 0)] == []
