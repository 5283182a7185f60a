from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from curate.errors import ConfigError, RunError
from curate.models.segmenter import Segmenter, capture_outputs


class Net(nn.Module):
    """Two halvings and a classifier; counts its calls in a buffer that only training touches."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 5, 3, stride=2, padding=1),
        )
        self.head = nn.Conv2d(5, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


class Returns(nn.Module):
    """Returns whatever `answer` makes of the images."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: Tensor):
        return self.answer(images)


def wrap(network: nn.Module, **settings) -> Segmenter:
    given = {
        "num_classes": 2,
        "mean": (0.0,) * 3,
        "std": (1.0,) * 3,
        "stages": {"stride2": "backbone.0", "stride4": "backbone"},
        "backbone_prefixes": ("backbone",),
    }
    return Segmenter(network, **(given | settings))


def count_hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in module.modules())


def test_images_are_normalised_per_channel():
    seen = []
    network = Returns(lambda images: seen.append(images) or images[:, :2])
    segmenter = wrap(network, mean=(0.5, 0.0, 0.25), std=(0.5, 1.0, 0.25))

    segmenter(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1))

    # by hand: red lies one deviation above its mean, green half a one, blue one below
    assert seen[0].flatten().tolist() == [1.0, 0.5, -1.0]


@pytest.mark.parametrize(
    "answer",
    [
        lambda images: images[:, :2],
        lambda images: {"out": images[:, :2], "aux": images},
        lambda images: {"logits": images[:, :2]},
        lambda images: SimpleNamespace(logits=images[:, :2]),
    ],
    ids=["tensor", "dict with out", "dict with logits", "object with logits"],
)
def test_logits_are_found_in_every_usual_output(answer):
    images = torch.rand(2, 3, 4, 4)

    assert torch.equal(wrap(Returns(answer))(images).logits, images[:, :2])


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (lambda images: images, r"float32 of shape \(1, 3, 4, 4\)"),
        (lambda images: images[0], r"float32 of shape \(3, 4, 4\)"),
        (lambda images: images[:, :2].long(), "int64 of shape"),
        (lambda images: images[:, :2].repeat(2, 1, 1, 1), r"shape \(2, 2, 4, 4\) for 1 images"),
        (lambda images: {"masks": images}, "dict with the keys masks"),
        (lambda images: (images, images), "a tuple"),
    ],
)
def test_unfit_output_is_described(answer, seen):
    with pytest.raises(RunError, match=seen) as caught:
        wrap(Returns(answer))(torch.rand(1, 3, 4, 4))

    assert r"(1, 2, h, w)" in str(caught.value)


def test_half_precision_output_becomes_float32():
    segmenter = wrap(Net().bfloat16(), stages={"stride2": "backbone.0"}).bfloat16()

    prediction = segmenter(torch.rand(1, 3, 8, 8).bfloat16(), ["stride2"])

    assert prediction.logits.dtype == prediction.features["stride2"].dtype == torch.float32


def test_stages_are_captured_by_public_and_literal_name():
    segmenter = wrap(Net()).eval()
    images = torch.rand(2, 3, 8, 12)

    features = segmenter(images, ["stride4", "backbone.1"]).features

    assert list(features) == ["stride4", "backbone.1"]
    assert torch.equal(features["stride4"], segmenter.network.backbone(images))
    assert features["backbone.1"].shape == (2, 4, 4, 6)


def test_encoding_gives_the_features_of_a_whole_run():
    segmenter = Segmenter(
        Net(),
        num_classes=2,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        stages={"stride2": "backbone.1"},
        backbone_prefixes=("backbone",),
        multiple_of=4,
    ).eval()
    images = torch.rand(2, 3, 6, 10)
    ran = []
    segmenter.network.head.register_forward_hook(lambda *_: ran.append(1))
    found = segmenter.encode(images, ("stride2",))
    assert not ran
    assert torch.equal(found["stride2"], segmenter(images, ("stride2",)).features["stride2"])


def test_decoder_is_what_the_last_layer_is_given():
    segmenter = wrap(Net()).eval()
    images = torch.rand(1, 3, 8, 8)
    prediction = segmenter(images, ["decoder", "stride2"])
    assert torch.equal(prediction.features["decoder"], segmenter.network.backbone(images))
    assert torch.equal(segmenter.network.head(prediction.features["decoder"]), prediction.logits)
    assert prediction.features["stride2"].shape == (1, 4, 4, 4)
    encoded = segmenter.encode(images, ["decoder"])["decoder"]
    assert torch.equal(encoded, prediction.features["decoder"])


def test_decoder_may_be_named():
    segmenter = wrap(Net(), stages={"decoder": "backbone.0"}).eval()
    assert segmenter(torch.rand(1, 3, 8, 8), ["decoder"]).features["decoder"].shape[1] == 4


def test_last_layer_is_not_that_of_an_auxiliary_output():
    network = Net()
    network.aux_head = nn.Conv2d(4, 2, 1)
    assert wrap(network).feature_channels(["decoder"], (8, 8)) == {"decoder": 5}


def test_network_without_a_last_convolution_has_no_decoder():
    with pytest.raises(ConfigError, match="no stage 'decoder'"):
        wrap(Returns(lambda images: images[:, :2])).check_stages(["decoder"])


def test_unknown_stage_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"no stage 'stride64'.*: stride2, stride4;.*of its Net"):
        wrap(Net())(torch.rand(1, 3, 8, 8), ["stride64"])


def test_whole_network_is_no_stage():
    with pytest.raises(ConfigError, match="no stage ''"):
        wrap(Net())(torch.rand(1, 3, 8, 8), [""])


def test_hooks_are_gone_after_forward():
    segmenter = wrap(Net())

    segmenter(torch.rand(2, 3, 8, 8), ["stride2", "stride4"])

    assert count_hooks(segmenter) == 0


def test_hooks_are_gone_after_an_exception():
    segmenter = wrap(Net())

    segmenter.network.head = nn.Conv2d(7, 2, 1)
    with pytest.raises(RuntimeError, match="channels"):
        segmenter(torch.rand(1, 3, 8, 8), ["stride2"])

    assert count_hooks(segmenter) == 0


def test_dropped_prediction_frees_its_graph_at_once():
    segmenter = wrap(Net())
    gc.disable()
    try:
        prediction = segmenter(torch.rand(2, 3, 8, 8), ["stride2"])
        left = weakref.ref(prediction.features["stride2"])
        assert left() is not None
        del prediction
        assert left() is None
    finally:
        gc.enable()


def test_captured_features_carry_gradients_in_training_only():
    segmenter = wrap(Net())
    images = torch.rand(2, 3, 8, 8)

    assert segmenter(images, ["stride4"]).features["stride4"].requires_grad
    with torch.no_grad():
        assert not segmenter(images, ["stride4"]).features["stride4"].requires_grad


def test_padding_is_cropped_from_logits_and_features():
    sizes = []
    network = nn.Sequential(nn.Conv2d(3, 2, 2, stride=2), nn.Conv2d(2, 2, 2, stride=2))
    network[0].register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[2:]))
    segmenter = wrap(network, stages={"stride2": "0"}, multiple_of=8)

    prediction = segmenter(torch.rand(1, 3, 9, 15), ["stride2"])

    assert sizes == [(16, 16)]
    assert prediction.features["stride2"].shape[2:] == (5, 8)  # ceil(9 / 2), ceil(15 / 2)
    assert prediction.logits.shape[2:] == (3, 4)  # ceil(9 / 4), ceil(15 / 4)


def test_padding_repeats_edge_pixels():
    network = Returns(lambda images: images[:, :2].flip(-1))
    segmenter = wrap(network, multiple_of=4)
    images = torch.arange(3.0).repeat(1, 3, 4, 1)

    assert segmenter(images).logits[0, 0, 0].tolist() == [2.0, 2.0, 1.0]  # of 2 2 1 0


def test_parameter_groups_slow_the_backbone_and_spare_vectors_from_decay():
    segmenter = wrap(Net())
    net = segmenter.network

    groups = segmenter.parameter_groups(0.3, 0.01)

    found = {(round(g["lr"], 6), g["weight_decay"]): {id(p) for p in g["params"]} for g in groups}
    convs, norm = (net.backbone[0], net.backbone[2]), net.backbone[1]
    assert found == {
        (0.1, 0.01): {id(conv.weight) for conv in convs},
        (0.1, 0.0): {id(conv.bias) for conv in convs} | {id(norm.weight), id(norm.bias)},
        (0.3, 0.01): {id(net.head.weight)},
        (0.3, 0.0): {id(net.head.bias)},
    }


def test_frozen_parameters_are_in_no_group():
    segmenter = wrap(Net())
    segmenter.network.backbone.requires_grad_(requires_grad=False)

    assert [round(g["lr"], 6) for g in segmenter.parameter_groups(0.3, 0.0)] == [0.3, 0.3]


def test_backbone_is_told_by_whole_names():
    network = nn.ModuleDict({"back": nn.Linear(1, 1), "backbone": nn.Linear(1, 1)})

    groups = wrap(network, backbone_prefixes=("back",)).parameter_groups(3.0, 0.0)

    assert sorted(round(g["lr"], 6) for g in groups) == [1.0, 1.0, 3.0, 3.0]


def test_feature_channels_leave_no_trace():
    segmenter = wrap(Net()).train()
    segmenter.network.head.eval()
    modes = [module.training for module in segmenter.modules()]
    state = {name: tensor.clone() for name, tensor in segmenter.state_dict().items()}

    channels = segmenter.feature_channels(["stride2", "stride4"], (8, 12))

    assert channels == {"stride2": 4, "stride4": 5}
    assert [module.training for module in segmenter.modules()] == modes
    assert all(torch.equal(tensor, state[n]) for n, tensor in segmenter.state_dict().items())


def test_feature_channels_restore_the_mode_after_an_error():
    segmenter = wrap(Net()).train()

    with pytest.raises(ConfigError, match="no stage 'nope'"):
        segmenter.feature_channels(["nope"], (8, 8))

    assert segmenter.network.backbone.training


def test_channels_last_reaches_the_network():
    seen = []
    network = Returns(lambda images: seen.append(images) or images[:, :2])

    wrap(network, channels_last=True)(torch.rand(2, 3, 4, 4))
    wrap(network)(torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last))

    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert seen[1].is_contiguous()


def test_last_output_of_a_module_that_runs_twice_is_kept():
    layer = nn.Identity()

    with capture_outputs({"a": layer}) as captured:
        layer(torch.zeros(1, 1, 1, 1))
        layer(torch.ones(1, 1, 1, 1))

    assert captured["a"].item() == 1.0


def test_module_that_did_not_run_is_an_error():
    with (
        pytest.raises(RunError, match="'a' was not run"),
        capture_outputs({"a": nn.Identity()}),
    ):
        pass


@pytest.mark.parametrize(
    ("output", "seen"),
    [(torch.zeros(2, 5, 7), r"\(2, 5, 7\)"), ((torch.zeros(1, 1, 1, 1),), "tuple")],
)
def test_output_that_is_no_feature_map_is_an_error(output, seen):
    layer = nn.Identity()

    with (
        pytest.raises(RunError, match=rf"'a' \(Identity\) returned {seen}"),
        capture_outputs({"a": layer}),
    ):
        layer(output)

    assert not layer._forward_hooks


def test_block_that_stops_runs_nothing_beyond_the_last_module():
    layers = [nn.Identity(), nn.Identity(), nn.Identity()]
    ran = []
    layers[2].register_forward_hook(lambda *_: ran.append(2))

    with capture_outputs({"b": layers[1], "a": layers[0]}, stops=True) as captured:
        nn.Sequential(*layers)(torch.ones(1, 1, 1, 1))

    assert sorted(captured) == ["a", "b"]
    assert not ran
    assert not any(layer._forward_hooks for layer in layers[:2])
