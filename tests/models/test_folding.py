"""Folded batch normalisation: the same predictions from fewer layers."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from curate.models import Segmenter, build_segmenter, folding
from curate.models.folding import FoldedConvolution, FoldedCopy, fold, fold_in_place

SIZE = (32, 48)
STAGES = ("stride2", "stride4", "stride8")


def near(*values):
    return pytest.approx(values, abs=1e-6)


def make_segmenter(network, **stages):
    return Segmenter(
        network, num_classes=2, mean=(0,) * 3, std=(1,) * 3, stages=stages, backbone_prefixes=()
    ).eval()


def shake(module, seed=0):
    """Give batch normalisations statistics and parameters that are not those of the start."""
    generator = torch.Generator().manual_seed(seed)
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            if tensor is not None:
                tensor.data = 0.5 + torch.rand(tensor.shape, generator=generator)
    return module


def count_norms(module):
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())


@pytest.fixture(scope="module")
def default():
    torch.manual_seed(0)
    return shake(build_segmenter("efficientnet_lite0_fpn", 5, "none").eval())


@torch.no_grad()
def test_norm_becomes_a_factor_and_a_term_by_hand():
    convolution, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0)
    convolution.weight.fill_(3.0), convolution.bias.fill_(1.0)
    norm.running_mean.fill_(4.0), norm.running_var.fill_(4.0)
    norm.weight.fill_(5.0), norm.bias.fill_(0.25)
    folded = FoldedConvolution(convolution, norm)  # ((3 x + 1) - 4) / 2 * 5 + 1/4
    assert folded.weight.item() == pytest.approx(7.5)
    assert folded.bias.item() == pytest.approx(-7.25)
    assert folded(torch.full((1, 1, 1, 1), 2.0)).item() == pytest.approx(7.75)
    without = FoldedConvolution(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, affine=False))
    assert without.bias.item() == 0


@torch.no_grad()
@pytest.mark.parametrize("onednn", [folding._ONEDNN, None])
def test_default_segmenter_predicts_the_same_without_a_norm(default, onednn, monkeypatch):
    monkeypatch.setattr(folding, "_ONEDNN", onednn)
    images = torch.rand(2, 3, 45, 61, generator=torch.Generator().manual_seed(1))
    folded = fold(default, SIZE, STAGES)
    assert count_norms(default) == 49
    assert count_norms(folded) == 0
    before, after = default(images, STAGES), folded(images, STAGES)
    scale = before.logits.abs().max()
    assert (before.logits - after.logits).abs().max() <= 1e-5 * max(1.0, scale)
    for name, features in before.features.items():
        assert torch.allclose(features, after.features[name], rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("onednn", [folding._ONEDNN, None])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (2, 2)])
def test_image_is_padded_as_tensorflow_does(onednn, kernel, stride, dilation, monkeypatch):
    monkeypatch.setattr(folding, "_ONEDNN", onednn)
    torch.manual_seed(0)
    convolution = Conv2dSame(2, 2, kernel, stride=stride, dilation=dilation, groups=2)
    norm = shake(nn.BatchNorm2d(2)).eval()
    folded = FoldedConvolution(convolution, norm)
    for size in ((6, 6), (6, 7), (7, 6), (7, 8), (9, 9)):
        images = torch.randn(1, 2, *size)
        expected = norm(convolution(images))
        assert folded(images).shape == expected.shape
        assert torch.allclose(folded(images), expected, atol=1e-5)


@torch.no_grad()
def test_activation_is_kept():
    for activation in (nn.ReLU(), nn.ReLU6(), nn.Hardswish(), nn.Identity()):
        norm = nn.BatchNorm2d(2)
        norm.act = activation
        folded = FoldedConvolution(nn.Conv2d(3, 2, 1), shake(norm).eval())
        inputs = torch.linspace(-20, 20, 12).view(1, 3, 2, 2)
        plain = nn.functional.conv2d(inputs, folded.weight, folded.bias)
        assert torch.allclose(folded(inputs), activation(plain), atol=1e-5)


def test_what_is_used_twice_or_not_known_stays():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1)
            self.norm = nn.BatchNorm2d(2)

        def forward(self, images):
            return self.norm(self.second(self.norm(self.first(images))))

    class Other(nn.BatchNorm2d):
        def forward(self, images):
            return super().forward(images) ** 2

    for network in (Twice(), nn.Sequential(nn.Conv2d(3, 2, 1), Other(2))):
        segmenter = make_segmenter(shake(network))
        assert fold(segmenter, SIZE) is segmenter


def test_network_whose_predictions_would_change_stays():
    class Side(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)

        def forward(self, images):
            seen = self.convolution(images)
            return self.norm(seen) + seen

    segmenter = make_segmenter(shake(Side()))
    assert fold(segmenter, SIZE) is segmenter
    plain = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    segmenter = make_segmenter(shake(plain), seen="0")
    assert fold(segmenter, SIZE) is not segmenter
    assert fold(segmenter, SIZE, ("seen",)) is segmenter


@torch.no_grad()
def test_copy_follows_the_weights(default):
    segmenter = copy.deepcopy(default)
    images, kept = torch.rand(1, 3, *SIZE), FoldedCopy(segmenter)
    first = kept.get(SIZE)
    assert kept.get(SIZE) is first
    assert segmenter.network is not first.network
    segmenter.network.classifier.bias += 1
    assert torch.allclose(kept.get(SIZE)(images).logits, segmenter(images).logits, atol=1e-4)
    assert kept.get(SIZE) is not first
    second = kept.get(SIZE)
    segmenter.load_state_dict(default.state_dict())
    assert kept.get(SIZE) is not second


def test_segmenter_is_folded_where_it_is(default):
    segmenter = copy.deepcopy(default)
    fold_in_place(segmenter, SIZE)
    assert count_norms(segmenter) == 0
    assert not any(parameter.requires_grad for parameter in segmenter.parameters())
    assert fold(segmenter, SIZE) is segmenter


def test_global_random_numbers_are_left_alone(default):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fold(default, SIZE)
    assert torch.equal(torch.rand(2), expected)
