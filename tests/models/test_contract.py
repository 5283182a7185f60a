"""What every segmenter must do, whatever network is inside."""

from __future__ import annotations

import importlib
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from curate.models import Segmenter, build_segmenter
from curate.models.registry import SEGMENTERS

SIZE = (64, 96)
NUM_CLASSES = 3

MAX_STRIDE = dict.fromkeys(SEGMENTERS, 8) | {
    "efficientnet_lite0_fpn": 4,
    "deeplabv3_mobilenet_v3_large": 16,
}
DEEPER = ("deeplabv3_resnet101", "fcn_resnet101")  # same code as for resnet50, but slow
UNUSED = ("network.encoder.conv_head.", "network.encoder.bn2.")  # smp keeps a classifier's layers
OWN = f"{__name__}:make_own"
EXTRAS = {
    "smp:Unet:resnet18": ("segmentation_models_pytorch", 1),
    "smp:FPN:timm-efficientnet-b0": ("segmentation_models_pytorch", 1),
    "smp:Segformer:mit_b0": ("segmentation_models_pytorch", 1),
    "hf": ("transformers", 4),
}


def make_own(num_classes: int) -> nn.Module:
    """The factory of a user."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, num_classes, 1)
    )


def resolve(name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Skip where an extra is missing; make what is to be loaded from disk."""
    if name not in EXTRAS:
        return name, "auto" if ":" in name else "none"
    package, _ = EXTRAS[name]
    try:
        module = importlib.import_module(package)
    except ImportError:
        pytest.skip(f"{package} is not installed")
    if name != "hf":
        return name, "none"
    folder = tmp_path_factory.mktemp("segformer")
    config = module.SegformerConfig(
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        num_labels=7,
    )
    module.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    return f"hf:{folder}", "auto"


@pytest.fixture(
    scope="module",
    params=[name for name in (*SEGMENTERS, *EXTRAS, OWN) if name not in DEEPER],
    ids=lambda name: name.removeprefix("tests.models."),
)
def recipe(request, tmp_path_factory) -> tuple[str, str, int]:
    name, weights = resolve(request.param, tmp_path_factory)
    stride = EXTRAS[request.param][1] if request.param in EXTRAS else MAX_STRIDE.get(name, 4)
    return name, weights, stride


def build(recipe: tuple[str, str, int]) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter(recipe[0], NUM_CLASSES, recipe[1])


@pytest.fixture(scope="module")
def segmenter(recipe) -> Segmenter:
    return build(recipe)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, *SIZE)


@pytest.mark.parametrize("is_training", [True, False])
def test_logits_are_finite_at_the_documented_stride(recipe, segmenter, images, is_training):
    logits = segmenter.train(is_training)(images).logits

    assert logits.shape == (2, NUM_CLASSES, SIZE[0] // recipe[2], SIZE[1] // recipe[2])
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_odd_sizes_are_rounded_up(recipe, segmenter):
    height, width = 45, 67

    with torch.no_grad():
        logits = segmenter.eval()(torch.rand(1, 3, height, width)).logits

    if recipe[0].startswith(__name__):  # a user's network rounds as it likes
        return
    assert logits.shape[2:] == (-(-height // recipe[2]), -(-width // recipe[2]))


def test_stages_have_the_stride_that_their_name_says(segmenter, images):
    with torch.no_grad():
        features = segmenter.eval()(images, list(segmenter.stages)).features

    for name, feature in features.items():
        assert feature.ndim == 4
        if match := re.fullmatch(r"stride(\d+)", name):
            stride = int(match[1])
            assert feature.shape[2:] == (SIZE[0] // stride, SIZE[1] // stride), name


def test_odd_sizes_give_stages_of_their_stride(segmenter):
    names = [name for name in segmenter.stages if name.startswith("stride")]

    with torch.no_grad():
        features = segmenter.eval()(torch.rand(1, 3, 45, 67), names).features

    for name in names:
        stride = int(name.removeprefix("stride"))
        assert features[name].shape[2:] == (-(-45 // stride), -(-67 // stride)), name


def test_every_segmenter_shows_what_its_last_layer_is_given(segmenter, images):
    prediction = segmenter.train()(images, ["decoder"])
    features = prediction.features["decoder"]
    assert (features.ndim, len(features)) == (4, 2)
    segmenter.check_stages(["decoder"])
    (gradient,) = torch.autograd.grad(prediction.logits.sum(), features)
    assert gradient.abs().sum() > 0


def test_capturing_changes_no_logits(segmenter, images):
    segmenter.eval()
    with torch.no_grad():
        plain = segmenter(images).logits
        assert torch.equal(segmenter(images, list(segmenter.stages)).logits, plain)


def test_channels_of_stages_are_found(segmenter, images):
    stages = list(segmenter.stages)

    channels = segmenter.feature_channels(stages, SIZE)

    with torch.no_grad():
        features = segmenter.eval()(images, stages).features
    assert channels == {name: feature.shape[1] for name, feature in features.items()}


def test_gradients_reach_images_and_every_parameter(segmenter, images):
    inputs = images.clone().requires_grad_()
    segmenter.train().zero_grad()

    segmenter(inputs).logits.square().mean().backward()

    assert inputs.grad is not None
    assert inputs.grad.abs().sum() > 0
    groups = segmenter.parameter_groups(1.0, 0.1)
    parameters = [parameter for group in groups for parameter in group["params"]]
    assert len({id(p) for p in parameters}) == len(list(segmenter.parameters()))
    without = [name for name, p in segmenter.named_parameters() if p.grad is None]
    assert all(name.startswith(UNUSED) for name in without)
    assert all(p.grad.isfinite().all() for p in parameters if p.grad is not None)
    segmenter.zero_grad()


def test_backbone_learns_slower(recipe, segmenter):
    rates = {group["lr"] for group in segmenter.parameter_groups(3.0, 0.1)}

    assert rates == ({3.0} if recipe[0].startswith(__name__) else {1.0, 3.0})


@pytest.mark.slow
def test_initialisation_depends_on_the_seed_alone_and_survives_a_file(
    recipe, segmenter, images, tmp_path
):
    again = build(recipe)
    pairs = zip(segmenter.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)

    again.network.apply(_corrupt)
    packed = {name: tensor.contiguous() for name, tensor in segmenter.state_dict().items()}
    save_file(packed, tmp_path / "segmenter.safetensors")
    again.load_state_dict(load_file(tmp_path / "segmenter.safetensors"))
    with torch.no_grad():
        expected = segmenter.eval()(images).logits
        assert torch.equal(again.eval()(images).logits, expected)


def _corrupt(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        nn.init.constant_(parameter, 0.5)


@pytest.mark.parametrize("name", DEEPER)
def test_deeper_networks_are_built(name, images):
    segmenter = build_segmenter(name, NUM_CLASSES, "none").eval()

    with torch.no_grad():
        assert segmenter(images, list(segmenter.stages)).logits.shape == (2, NUM_CLASSES, 8, 12)
