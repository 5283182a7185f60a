"""The network of a stream: what it is shown, how it is fitted, when it stops."""

import math
from itertools import chain, pairwise

import pytest
import torch
from torch import nn

from curate.methods.streams import features as features_module
from curate.methods.streams import networks
from curate.methods.streams.features import StreamFeatures
from curate.methods.streams.networks import (
    APPEARANCE,
    LAYOUT,
    SEMANTICS,
    StreamNetwork,
    TrainingSet,
    compute_logits,
    stack_layout,
    stack_semantics,
    stopping_loss,
)
from curate.methods.streams.settings import StreamsSettings
from curate.models.weighters import PixelWeighter
from tests.methods.streams.making import fit_network


def features_of(appearance, label_map, probabilities):
    """One image: features (h, w), labels (h, w), the probability of class 0 of two."""
    first = torch.tensor(probabilities)
    logs = torch.stack([first, 1 - first]).log()
    return StreamFeatures(
        torch.tensor(appearance)[None, None].half(),
        logs[None].half(),
        torch.tensor(label_map, dtype=torch.uint8)[None],
    )


class Scale(nn.Module):
    """One weight and one offset for the only input."""

    def __init__(self, weight=0.0, offset=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, inputs, valid):
        assert inputs.shape[1] == 1
        self.was_training = self.training
        return inputs * self.weight + self.offset


def make_training_set(values, target, weight=None, train=(0,), stop=(1,)):
    """Images of a single cell each, which see their value."""
    count = len(values)
    cells = torch.tensor(values).view(count, 1, 1)
    features = StreamFeatures(
        cells[:, None].half(), torch.zeros(count, 2, 1, 1).half(), torch.zeros_like(cells).byte()
    )
    ones = [1.0] * count if weight is None else weight
    shape = (count, 1, 1)
    return TrainingSet(
        features, torch.tensor(target).view(shape), torch.tensor(ones).view(shape), train, stop
    )


def make_network(**start):
    return StreamNetwork(Scale(**start), (APPEARANCE,), 1)


def settings(**chosen):
    return StreamsSettings(**({"weight_decay": 0.0, "learning_rate": 0.1} | chosen))


def test_network_with_the_best_held_out_loss_is_returned(monkeypatch):
    offsets, losses = [], [0.9, 0.3, 0.7, 0.3, 0.5]

    def measured(network, training_set):
        offsets.append(network.network.offset.item())
        return losses[len(offsets) - 1]

    monkeypatch.setattr(networks, "stopping_loss", measured)
    network = make_network()
    best = fit_network(
        network, make_training_set([1.0, 1.0], [1.0, 1.0]), settings(epochs=5), seed=0
    )
    assert best == 0.3
    assert len(set(offsets)) == 5
    assert network.network.offset.item() == offsets[1]  # of two as good the first


def test_network_stops_before_what_it_learns_is_wrong_for_held_out_images():
    # Whatever the first image teaches, a target of 1, is wrong for the second, 0.
    network = make_network(offset=0.0)
    training_set = make_training_set([1.0, 1.0], [1.0, 0.0])
    best = fit_network(network, training_set, settings(epochs=10), seed=0)
    assert stopping_loss(network, training_set) == pytest.approx(best)
    last = make_network(offset=0.0)
    fit_network(
        last, make_training_set([1.0, 1.0], [1.0, 0.0], stop=(0,)), settings(epochs=10), seed=0
    )
    assert best < 0.9 < 1.2 < stopping_loss(last, training_set)


def test_network_without_held_out_images_keeps_its_last_state():
    network, alike = make_network(), make_network()
    assert (
        fit_network(network, make_training_set([1.0], [1.0], stop=()), settings(epochs=4), seed=0)
        == math.inf
    )
    training_set = make_training_set([1.0], [1.0], stop=(0,))  # with each pass it is known better
    assert fit_network(alike, training_set, settings(epochs=4), seed=0) < math.log(2)
    assert network.network.offset.item() == alike.network.offset.item() > 0.2


@pytest.mark.parametrize(("batch", "epochs"), [(2, 40), (1, 20)])
def test_rate_of_each_step_is_that_of_the_schedule(monkeypatch, batch, epochs):
    offsets = []

    class Watched(Scale):
        def forward(self, inputs, valid):
            if self.training:
                offsets.append(self.offset.item())
            return super().forward(inputs, valid)

    monkeypatch.setattr(networks, "BATCH_SIZE", batch)
    network = StreamNetwork(Watched(offset=-20.0), (APPEARANCE,), 1)
    # far from its target, the gradient is always 1 and each step of Adam a full rate long
    training_set = make_training_set([0.0, 0.0], [1.0, 1.0], train=(0, 1))
    fit_network(network, training_set, settings(epochs=epochs), seed=0)
    steps = [after - before for before, after in pairwise(offsets)]
    # 40 steps: a rise over two, then half a cosine over 38
    assert len(offsets) == 40
    assert steps[:3] == pytest.approx([0.05, 0.1, 0.1], rel=1e-3)
    assert steps[21] == pytest.approx(0.05, rel=1e-3)


def test_loss_by_hand():
    network = make_network(weight=1.0)
    logit = math.log(3)  # probability 3/4
    training_set = make_training_set([logit, -logit, 0.0], [1.0, 1.0, 0.0], weight=[2.0, 0.5, 0.0])
    total, weight = training_set.loss(network, [0, 1, 2]).tolist()
    assert total == pytest.approx(2 * math.log(4 / 3) + 0.5 * math.log(4), rel=1e-3)
    assert weight == 2.5


def test_held_out_loss_is_the_mean_over_the_weights_of_all_chunks(monkeypatch):
    monkeypatch.setattr(features_module, "CHUNK_IMAGES", 2)
    network = make_network(weight=1.0)
    logit = math.log(3)
    training_set = make_training_set(
        [logit, logit, -logit, 9.0],
        [1.0, 1.0, 1.0, 0.0],
        weight=[1.0, 1.0, 2.0, 5.0],
        train=(3,),
        stop=(0, 1, 2),
    )
    expected = (2 * math.log(4 / 3) + 2 * math.log(4)) / 4
    assert stopping_loss(network, training_set) == pytest.approx(expected, rel=1e-3)


def test_held_out_images_without_a_cell_that_counts_have_an_infinite_loss():
    assert (
        stopping_loss(make_network(), make_training_set([0.0], [1.0], weight=[0.0], stop=(0,)))
        == math.inf
    )
    assert stopping_loss(make_network(), make_training_set([0.0], [1.0], stop=())) == math.inf


def test_network_learns_in_training_mode_and_is_measured_in_evaluation_mode(monkeypatch):
    modes = []

    def watched(network, training_set):
        modes.append((network.network.was_training, network.training))
        return 0.0

    monkeypatch.setattr(networks, "stopping_loss", watched)
    network = make_network().eval()
    fit_network(network, make_training_set([1.0, 1.0], [1.0, 1.0]), settings(epochs=2), seed=0)
    assert modes == [(True, False)] * 2
    assert not network.training


def test_every_training_image_is_in_one_batch_of_a_pass():
    seen = []

    class Watched(Scale):
        def forward(self, inputs, valid):
            if self.training:
                seen.append(inputs.flatten().tolist())
            return super().forward(inputs, valid)

    network = StreamNetwork(Watched(), (APPEARANCE,), 1)
    values = [float(value) for value in range(18)]
    training_set = make_training_set(values, [1.0] * 18, train=range(17), stop=(17,))
    fit_network(network, training_set, settings(epochs=2), seed=0)
    assert [len(group) for group in seen] == [8, 8, 1] * 2
    passes = [[*chain(*seen[:3])], [*chain(*seen[3:])]]
    assert passes[0] != passes[1]  # another order
    assert [sorted(each) for each in passes] == [values[:17]] * 2


def test_appearance_is_centred_and_scaled_by_what_is_known_of_all_images():
    network = make_network(weight=1.0)
    network.mean.fill_(1.0)
    network.scale.fill_(4.0)
    features = features_of([[1.0, 3.0]], [[0, 1]], [[0.5, 0.5]])
    assert network(features).tolist() == [[[0.0, 0.5]]]


def test_label_is_described_beside_what_the_image_looks_like():
    e = math.exp(-3)
    features = features_of([[0.0, 0.0, 0.0]], [[0, 1, 255]], [[e, e, e]])
    found = stack_semantics(features)[0, :, 0].T
    other = 1 + math.log(1 - e) / 3  # log-probabilities: a third of them, raised by 1
    expected = [
        [0, other, 1, 0, 0],  # labelled 0, which is improbable: 1 - 3/3
        [0, other, 0, 1, other],
        [0, other, 0, 0, 1],  # ignored: neither class, and a log-probability of 0
    ]
    assert torch.allclose(found, torch.tensor(expected), atol=1e-3)


def test_place_is_described_down_and_across():
    features = features_of([[0.0] * 3] * 2, [[0, 1, 255], [1, 1, 1]], [[0.5] * 3] * 2)
    found = stack_layout(features)[0].permute(1, 2, 0)
    assert found[0].tolist() == [[1, 0, -1, -1, 1, 1], [0, 1, -1, 0, 1, 0], [0, 0, -1, 1, 1, 1]]
    assert found[1].tolist() == [[0, 1, 1, -1, 1, 1], [0, 1, 1, 0, 1, 0], [0, 1, 1, 1, 1, 1]]


def test_network_sees_what_it_is_told_to_and_no_more():
    features = features_of([[2.0]], [[1]], [[0.5]])
    seen = {}

    class Watched(nn.Module):
        def forward(self, inputs, valid):
            seen["channels"], seen["valid"] = inputs.shape[1], valid
            return inputs[:, :1]

    for sees in ((APPEARANCE,), (SEMANTICS,), (LAYOUT,), (APPEARANCE, SEMANTICS, LAYOUT)):
        StreamNetwork(Watched(), sees, 1)(features)
        assert seen["channels"] == StreamNetwork.count_channels(sees, 1, 2)
        assert seen["valid"].tolist() == [[[True]]]
    assert StreamNetwork.count_channels((APPEARANCE, SEMANTICS, LAYOUT), 10, 3) == 10 + 7 + 7


def test_logits_of_many_images_are_those_of_each(monkeypatch):
    monkeypatch.setattr(features_module, "CHUNK_IMAGES", 2)
    training_set = make_training_set([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)
    assert compute_logits(make_network(weight=2.0), training_set.features).flatten().tolist() == [
        2,
        4,
        6,
        8,
        10,
    ]


def draw_training_set(num_images, side):
    generator = torch.Generator().manual_seed(0)
    features = StreamFeatures(
        torch.randn(num_images, 1, side, side, generator=generator).half(),
        torch.zeros(num_images, 2, side, side).half(),
        torch.zeros(num_images, side, side).byte(),
    )
    target = (features.appearance[:, 0] > 0).float()
    weight = 1 + torch.arange(num_images)[:, None, None].expand_as(target).float()
    return TrainingSet(features, target, weight, range(num_images), range(num_images))


def test_step_over_images_one_by_one_is_that_over_all(monkeypatch):
    training_set, learned = draw_training_set(6, 4), []
    for chunk in (32, 1):
        monkeypatch.setattr(features_module, "CHUNK_IMAGES", chunk)
        network = make_network()
        fit_network(network, training_set, settings(epochs=3), seed=0)
        learned.append((network.network.weight.item(), network.network.offset.item()))
    assert learned[0] == pytest.approx(learned[1], rel=1e-5)
    assert learned[0][0] > 0.1


def test_cellwise_network_learns_from_spaced_cells_and_in_time_from_all(monkeypatch):
    seen = []
    monkeypatch.setattr(networks, "SAMPLED_CELLS", 5)  # of 25 the second cell down and across

    class Watched(PixelWeighter):
        def forward(self, inputs, valid):
            if self.training:
                assert inputs.shape[2:] == valid.shape[1:]
                seen.append(inputs)
            return super().forward(inputs, valid)

    training_set = draw_training_set(1, 5)
    network = StreamNetwork(Watched(1, 1), (APPEARANCE,), 1)
    fit_network(network, training_set, settings(epochs=40), seed=0)
    cells = training_set.features.appearance[0, 0].float()
    wanted = [cells[down::2, across::2] for down in (0, 1) for across in (0, 1)]
    found = [[torch.equal(inputs[0, 0], each) for each in wanted] for inputs in seen]
    assert [sum(each) for each in found] == [1] * 40
    assert all(map(any, zip(*found, strict=True)))  # each of the four was seen
