"""What each network of the streams is trained on, with how many steps and which seed."""

from dataclasses import replace

import pytest
import torch

from curate.methods import references as reference_segmenters
from curate.methods.streams import method as streams_method
from curate.methods.streams.streams import CORRUPTION, MISMATCH, STREAMS, StreamTraining
from tests.methods.streams.making import draw_images, make_method, make_preparation


@pytest.fixture
def preparation():
    return make_preparation(draw_images(8, "s0", is_real=False, seed=2))


def test_networks_of_a_stream_are_trained_with_seeds_of_their_own(monkeypatch, preparation):
    asked = []

    def fit_epochs(network, training_set, settings, *, seed, epoch_factor):
        asked.append((network, training_set, settings, seed, epoch_factor))
        yield from [0.5] * (2 * epoch_factor)

    monkeypatch.setattr(streams_method, "fit_epochs", fit_epochs)
    method = make_method(preparation, epochs=2)
    training = StreamTraining(
        preparation, method.splits, method.settings, method._extract, torch.device("cpu")
    )
    # the share of a part is told after each epoch of each fold
    assert list(method._train_stream("appearance", training)) == [1 / 4, 1 / 2, 3 / 4, 1]
    assert list(method._train_stream("layout", training))[::6] == pytest.approx([1 / 12, 7 / 12])
    networks, sets, settings, seeds, factors = zip(*asked, strict=True)
    assert networks == (*method.networks["appearance"], *method.networks["layout"])
    for number, found in enumerate(sets):
        expected = training.domain_training_set(number % 2)
        assert (found.train, found.stop) == (expected.train, expected.stop)
    assert all(each is method.settings for each in settings)
    assert len(set(seeds)) == 4
    assert factors == (1, 1, 3, 3)  # layout takes three times as long
    # appearance is standardised by the images of the training set, layout has none
    seen = training.features.appearance.float()
    torch.testing.assert_close(networks[0].mean, seen.mean(dim=(0, 2, 3)))
    assert not networks[2].mean.any()


def test_reference_segmenters_are_trained_on_the_other_folds(monkeypatch, preparation):
    asked = []

    def train_reference(reference, given, excluded, **options):
        asked.append((reference, given, excluded, options))
        yield 1

    monkeypatch.setattr(reference_segmenters, "train_reference", train_reference)
    method = make_method(preparation, reference_steps=60, reference_learning_rate=0.25)
    for fold in range(2):
        list(method._train_reference(fold, preparation))
    list(method._train_reference(0, replace(preparation, num_steps=7)))
    references, given, excluded, options = zip(*asked, strict=True)
    assert references == (*method.references, method.references[0])
    assert given[0] is preparation
    for fold in range(2):
        assert excluded[fold] == {k for k, split in method.splits.items() if split.fold == fold}
    # never more steps than the joint training has
    assert [each["steps"] for each in options] == [60, 60, 7]
    assert {each["learning_rate"] for each in options} == {0.25}
    assert options[0]["seed"] == options[2]["seed"] != options[1]["seed"]


def test_preparation_trains_references_then_streams_and_calibrates_last(monkeypatch, preparation):
    order = []

    def take_note(name):
        def note(*args):
            order.append((name, *args[:-1]))
            yield 0.25
            yield 0.5

        return note

    method = make_method(preparation)
    for name in ("_train_reference", "_train_stream", "_calibrate"):
        monkeypatch.setattr(method, name, take_note(name))
    progress = []
    for each in method.prepare(preparation):
        progress.append(each)
        assert method.num_learned == each.done
    assert method.num_learned.dtype == torch.int64
    streams = [("_train_stream", name) for name in STREAMS]
    references = [("_train_reference", 0), ("_train_reference", 1)]
    assert order == [*references, *streams, ("_calibrate",)]
    assert progress[:3] == [(0, 8, False, 0.25), (0, 8, False, 0.5), (1, 8, True, 0)]
    assert progress[-1] == (8, 8, True, 0)
    assert list(method.prepare(preparation)) == []  # nothing is left


def test_streams_are_what_the_documentation_says(preparation):
    method = make_method(preparation)
    assert method.prepares
    assert not method.weighs_uncropped
    assert {name: stream.is_real_only for name, stream in STREAMS.items()} == {
        CORRUPTION: True,
        MISMATCH: True,
        "appearance": False,
        "semantics": False,
        "layout": False,
    }
    assert [name for name, stream in STREAMS.items() if not stream.has_context] == ["layout"]
    found = [(s.network, s.width, s.epoch_factor, *s.inputs) for s in STREAMS.values()]
    assert found == [
        ("context", 32, 1, "appearance", "semantics"),
        ("context", 32, 1, "semantics"),
        ("pixel", 64, 1, "appearance"),
        ("pixel", 64, 1, "semantics"),
        ("pixel", 64, 3, "layout"),
    ]
    assert next(iter(STREAMS)) == CORRUPTION  # whose trust is the first
    evidence = preparation.synthetic
    shown = method._extract(0, evidence.images[:1] / 255.0, evidence.label_map[:1, 2::4, 2::4])
    for networks in method.networks.values():
        for network in networks:
            widths = []
            network.network.register_forward_hook(lambda *args, w=widths: w.append(args[2].shape))
            assert network(shown).shape == (1, 8, 12)
            assert widths == [(1, 1, 8, 12)]
