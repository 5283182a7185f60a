"""Networks of all folds computed together give what each gives by itself."""

import torch
from torch import nn

from curate.methods.streams.features import StreamFeatures
from curate.methods.streams.networks import APPEARANCE, LAYOUT, SEMANTICS, StreamNetwork
from curate.methods.streams.streams import STREAMS
from curate.methods.streams.together import compute_folds
from curate.models import build_weighter
from curate.models.weighters import PixelWeighter

NUM_FEATURES, NUM_CLASSES = 5, 3


def make_network(stream):
    channels = StreamNetwork.count_channels(stream.inputs, NUM_FEATURES, NUM_CLASSES)
    inner = build_weighter(stream.network, channels, 1, width=stream.width)
    nn.init.normal_(inner.head.weight)
    network = StreamNetwork(inner, stream.inputs, NUM_FEATURES).eval()
    network.mean.normal_()
    network.scale.uniform_(0.5, 2.0)
    return network


def make_features(folds):
    appearance = torch.randn(2, NUM_FEATURES, 6, 7).half()
    labels = torch.randint(0, NUM_CLASSES, (2, 6, 7), dtype=torch.uint8)
    labels[0, :2] = 255
    logs = torch.randn(folds, 2, NUM_CLASSES, 6, 7).log_softmax(dim=2).half()
    return [StreamFeatures(appearance, each, labels) for each in logs]


@torch.no_grad()
def test_each_network_returns_what_it_returns_by_itself():
    torch.manual_seed(0)
    folds = [{name: make_network(stream) for name, stream in STREAMS.items()} for _ in range(2)]
    features = make_features(2)
    found = compute_folds(folds, features)
    for of_fold, networks, seen in zip(found, folds, features, strict=True):
        assert list(of_fold) == list(STREAMS)
        for name, network in networks.items():
            torch.testing.assert_close(of_fold[name], network(seen), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0]["semantics"], found[1]["semantics"])


@torch.no_grad()
def test_logit_of_a_cell_by_hand():
    """One cell, appearance 7 scaled to (7 - 3) / 2 = 2, times 0.5 plus 1 = 2; head -3: -6."""
    inner = PixelWeighter(1, 1, width=1)
    for layer, weight, bias in zip(
        (inner.trunk[0], inner.trunk[2], inner.head), (0.5, 1.0, -3.0), (1.0, 0.0, 0.0), strict=True
    ):
        layer.weight.fill_(weight)
        layer.bias.fill_(bias)
    network = StreamNetwork(inner, (APPEARANCE,), 1)
    network.mean.fill_(3.0)
    network.scale.fill_(2.0)
    cell = torch.full((1, 1, 1, 1), 7.0).half()
    seen = StreamFeatures(cell, cell, torch.zeros(1, 1, 1, dtype=torch.uint8))
    assert compute_folds([{"only": network}], [seen])[0]["only"].item() == -6.0


def test_without_networks_nothing_is_computed():
    assert compute_folds([{}, {}], make_features(2)) == [{}, {}]


def test_every_input_is_known():
    assert {name for stream in STREAMS.values() for name in stream.inputs} == {
        APPEARANCE,
        SEMANTICS,
        LAYOUT,
    }
