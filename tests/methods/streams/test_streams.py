"""Which network is trained on what."""

from dataclasses import replace

import pytest
import torch

from curate.methods import Split
from curate.methods.streams import streams
from curate.methods.streams.features import StreamFeatures
from curate.methods.streams.networks import APPEARANCE, LAYOUT, StreamNetwork
from curate.methods.streams.settings import StreamsSettings
from curate.methods.streams.streams import StreamTraining
from curate.models import build_weighter
from tests.methods.streams.making import draw_images, fit_network, make_preparation

FOLDS = 2


def make_training(corruptions=("style",), injections=1):
    preparation = make_preparation(draw_images(8, "s0", is_real=False, seed=2))
    keys = (*preparation.real.keys, *preparation.synthetic.keys)
    splits = {key: Split(held_out=i % 4 == 3, fold=i // 4 % FOLDS) for i, key in enumerate(keys)}

    def extract(fold, images, labels):
        marks = torch.full((len(labels), 1, *labels.shape[1:]), float(fold)).half()
        return StreamFeatures(
            marks, images.mean(dim=(1, 2, 3))[:, None, None, None] + 0 * marks, labels
        )

    settings = StreamsSettings(corruptions=corruptions, injections=injections, folds=FOLDS)
    return StreamTraining(preparation, splits, settings, extract, torch.device("cpu"))


def test_features_of_an_image_come_from_its_own_fold_and_stay_in_order():
    training = make_training()
    features = training.features
    assert features.appearance[:, 0, 0, 0].tolist() == training.folds
    batches = (training.preparation.real, training.preparation.synthetic)
    means = torch.cat([batch.images.float().mean(dim=(1, 2, 3)) / 255 for batch in batches])
    assert torch.allclose(features.log_predictions[:, 0, 0, 0], means, atol=1e-3)


def test_domain_training_sets_leave_out_the_fold_and_the_held_out():
    training = make_training()
    for fold in range(FOLDS):
        training_set = training.domain_training_set(fold)
        for rows, held_out in ((training_set.train, False), (training_set.stop, True)):
            assert rows
            assert all(training.folds[row] != fold for row in rows)
            assert all(training.is_held_out[row] == held_out for row in rows)
            real = [row for row in rows if training.is_real[row]]
            share = training_set.weight[real].sum() / training_set.weight[list(rows)].sum()
            assert abs(share - 0.5) < 1e-6


def test_corruption_training_sets_hold_real_images_of_other_folds_only():
    training = make_training()
    num_real = len(training.preparation.real.keys)
    for fold in range(FOLDS):
        training_set = training.corruption_training_set(fold)
        assert len(training_set.features) == 3 * num_real  # as it is, mild, strong
        marks = training_set.features.appearance[:, 0, 0, 0]
        assert training_set.train
        assert all(marks[row] != fold for row in (*training_set.train, *training_set.stop))
    assert training_set.target.min() == 0
    assert training_set.target.max() == 1


@pytest.mark.parametrize(
    ("injections", "share", "times"), [(4, 1, 4), (4, 2, 2), (4, 3, 1), (1, 2, 1)]
)
def test_corruptions_are_injected_less_often_in_images_of_many_cells(
    monkeypatch, injections, share, times
):
    num_cells = make_training().corruption_training_set(0).target[0].numel() * 12
    monkeypatch.setattr(streams, "MANY_CELLS", num_cells // share)
    training = make_training(injections=injections)
    num_real = len(training.preparation.real.keys)
    assert num_real == 12
    assert len(training.corruption_training_set(0).features) == (1 + 2 * times) * num_real


def test_no_more_cells_are_injected_than_may_be_kept(monkeypatch):
    every = make_training(corruptions=("style", "wrong_label")).corruption_training_set(0)
    num_cells = every.target[0].numel()
    monkeypatch.setattr(streams, "MAX_INJECTED_CELLS", 16 * num_cells)
    assert len(every.features) == 12 + 12 * 4
    training = make_training(corruptions=("style", "wrong_label"))
    training_set = training.corruption_training_set(0)
    assert len(training_set.features) == 12 + 16
    assert training_set.train
    assert training_set.stop
    is_label = training.mismatch_training_set(0)
    assert len(is_label.train) + len(is_label.stop) < len(training_set.train) + len(
        training_set.stop
    )


def test_injected_cells_are_sound_or_not_by_their_centre():
    training = make_training()
    source, is_corrupted = next(
        (row, corrupted.is_corrupted)
        for row, corrupted, _ in training.preparation.inject(("style",), 1, 99, training.folds[:12])
        if corrupted.is_corrupted.any() and not corrupted.is_corrupted.all()
    )
    training_set = training.corruption_training_set(0)
    rows = [row for row in range(len(training_set.features)) if row // 3 == source]
    truth = torch.from_numpy(~is_corrupted[2::4, 2::4]).float()
    assert any(torch.equal(training_set.target[row], truth) for row in rows)


def test_mismatch_is_trained_on_corruptions_of_labels_alone():
    training = make_training(corruptions=("style", "wrong_label"))
    num_real = len(training.preparation.real.keys)
    for fold in range(FOLDS):
        every, asked = (
            training.corruption_training_set(fold),
            training.mismatch_training_set(fold),
        )
        # each real image: as it is, style mild and strong, wrong label mild and strong
        assert len(every.features) == 5 * num_real
        assert {row % 5 for row in (*every.train, *every.stop)} == {0, 1, 2, 3, 4}
        assert {row % 5 for row in (*asked.train, *asked.stop)} == {0, 3, 4}
        assert set(asked.train) < set(every.train)
        assert set(asked.stop) < set(every.stop)


def test_epoch_factor_multiplies_the_epochs():
    training_set, heads = make_training().domain_training_set(0), []
    for epochs, factor in ((6, 1), (2, 3), (2, 1)):
        torch.manual_seed(0)
        channels = StreamNetwork.count_channels((LAYOUT,), 1, 1)
        network = StreamNetwork(build_weighter("pixel", channels, 1, width=8), (LAYOUT,), 1)
        learned = replace(training_set, stop=training_set.train)  # so that the last state is kept
        fit_network(network, learned, StreamsSettings(epochs=epochs), seed=0, epoch_factor=factor)
        heads.append(network.network.head.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


def test_appearance_is_standardised_by_all_images_of_a_training_set():
    appearance = 5 + 3 * torch.randn(70, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    label_map = torch.zeros(70, 4, 6, dtype=torch.uint8)
    features = StreamFeatures(appearance.half(), torch.zeros(70, 1, 4, 6).half(), label_map)
    network = StreamNetwork(torch.nn.Identity(), (APPEARANCE,), 2)
    network.standardise(features)
    seen = features.appearance.float()
    assert torch.allclose(network.mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(network.scale, seen.std(dim=(0, 2, 3), correction=0) + 1e-3, atol=1e-5)
