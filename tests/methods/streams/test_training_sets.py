"""Who learns from what."""

from dataclasses import replace

import pytest
import torch

from curate.methods import Split
from curate.methods.streams import training_sets as learning
from curate.methods.streams.features import StreamFeatures
from curate.methods.streams.networks import APPEARANCE, LAYOUT, StreamNetwork, fit
from curate.methods.streams.settings import StreamsSettings
from curate.methods.streams.training_sets import StreamTraining
from curate.models import build_weighter
from tests.methods.streams.making import draw_images, make_preparation

FOLDS = 2


def make_stream_training(corruptions=("style",), injections=1):
    preparation = make_preparation(draw_images(8, "s0", is_real=False, seed=2))
    keys = (*preparation.real.keys, *preparation.synthetic.keys)
    splits = {key: Split(held_out=i % 4 == 3, fold=i // 4 % FOLDS) for i, key in enumerate(keys)}

    def see(fold, images, labels):
        marks = torch.full((len(labels), 1, *labels.shape[1:]), float(fold)).half()
        return StreamFeatures(
            marks, images.mean(dim=(1, 2, 3))[:, None, None, None] + 0 * marks, labels
        )

    settings = StreamsSettings(corruptions=corruptions, injections=injections, folds=FOLDS)
    return StreamTraining(preparation, splits, settings, see, torch.device("cpu"))


def test_clues_of_an_image_come_from_its_own_fold_and_stay_in_order():
    stream_training = make_stream_training()
    stream_features = stream_training.stream_features
    assert stream_features.appearance[:, 0, 0, 0].tolist() == stream_training.folds
    batches = (stream_training.preparation.real, stream_training.preparation.synthetic)
    means = torch.cat([batch.images.float().mean(dim=(1, 2, 3)) / 255 for batch in batches])
    assert torch.allclose(stream_features.log_predictions[:, 0, 0, 0], means, atol=1e-3)


def test_domain_lessons_leave_out_the_fold_and_the_held_out():
    stream_training = make_stream_training()
    for fold in range(FOLDS):
        training_set = stream_training.domain_training_set(fold)
        for rows, held_out in ((training_set.train, False), (training_set.stop, True)):
            assert rows
            assert all(stream_training.folds[row] != fold for row in rows)
            assert all(stream_training.is_held_out[row] == held_out for row in rows)
            real = [row for row in rows if stream_training.is_real[row]]
            share = training_set.weight[real].sum() / training_set.weight[list(rows)].sum()
            assert abs(share - 0.5) < 1e-6


def test_planted_lessons_know_real_images_of_other_folds_only():
    stream_training = make_stream_training()
    num_real = len(stream_training.preparation.real.keys)
    for fold in range(FOLDS):
        training_set = stream_training.corruption_training_set(fold)
        assert len(training_set.stream_features) == 3 * num_real  # as it is, mild, strong
        marks = training_set.stream_features.appearance[:, 0, 0, 0]
        assert training_set.train
        assert all(marks[row] != fold for row in (*training_set.train, *training_set.stop))
    assert training_set.target.min() == 0
    assert training_set.target.max() == 1


@pytest.mark.parametrize(
    ("injections", "share", "times"), [(4, 1, 4), (4, 2, 2), (4, 3, 1), (1, 2, 1)]
)
def test_faults_are_planted_less_often_in_images_of_many_cells(
    monkeypatch, injections, share, times
):
    num_cells = make_stream_training().corruption_training_set(0).target[0].numel() * 12
    monkeypatch.setattr(learning, "MANY_CELLS", num_cells // share)
    stream_training = make_stream_training(injections=injections)
    num_real = len(stream_training.preparation.real.keys)
    assert num_real == 12
    assert (
        len(stream_training.corruption_training_set(0).stream_features)
        == (1 + 2 * times) * num_real
    )


def test_no_more_cells_are_planted_than_may_be_kept(monkeypatch):
    every = make_stream_training(corruptions=("style", "wrong_label")).corruption_training_set(0)
    num_cells = every.target[0].numel()
    monkeypatch.setattr(learning, "MOST_CELLS", 16 * num_cells)
    assert len(every.stream_features) == 12 + 12 * 4
    stream_training = make_stream_training(corruptions=("style", "wrong_label"))
    training_set = stream_training.corruption_training_set(0)
    assert len(training_set.stream_features) == 12 + 16
    assert training_set.train
    assert training_set.stop
    is_label = stream_training.mismatch_training_set(0)
    assert len(is_label.train) + len(is_label.stop) < len(training_set.train) + len(
        training_set.stop
    )


def test_planted_cells_are_good_or_not_by_their_centre():
    stream_training = make_stream_training()
    item = next(
        injected
        for injected in stream_training.preparation.inject(
            ("style",), 1, 99, stream_training.folds[:12]
        )
        if injected.is_corrupted.any() and not injected.is_corrupted.all()
    )
    training_set = stream_training.corruption_training_set(0)
    rows = [row for row in range(len(training_set.stream_features)) if row // 3 == item.source]
    truth = (~item.is_corrupted[2::4, 2::4]).float()
    assert any(torch.equal(training_set.target[row], truth) for row in rows)


def test_mismatch_is_learned_from_faults_of_labels_alone():
    stream_training = make_stream_training(corruptions=("style", "wrong_label"))
    num_real = len(stream_training.preparation.real.keys)
    for fold in range(FOLDS):
        every, asked = (
            stream_training.corruption_training_set(fold),
            stream_training.mismatch_training_set(fold),
        )
        # each real image: as it is, style mild and strong, wrong label mild and strong
        assert len(every.stream_features) == 5 * num_real
        assert {row % 5 for row in (*every.train, *every.stop)} == {0, 1, 2, 3, 4}
        assert {row % 5 for row in (*asked.train, *asked.stop)} == {0, 3, 4}
        assert set(asked.train) < set(every.train)
        assert set(asked.stop) < set(every.stop)


def test_passes_multiply_the_epochs():
    training_set, heads = make_stream_training().domain_training_set(0), []
    for epochs, passes in ((6, 1), (2, 3), (2, 1)):
        torch.manual_seed(0)
        channels = StreamNetwork.count_channels((LAYOUT,), 1, 1)
        network = StreamNetwork(build_weighter("pixel", channels, 1, width=8), (LAYOUT,), 1)
        learned = replace(training_set, stop=training_set.train)  # so that the last state is kept
        fit(network, learned, StreamsSettings(epochs=epochs), seed=0, passes=passes)
        heads.append(network.network.head.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


def test_appearance_is_standardised_by_all_images_of_a_lesson():
    appearance = 5 + 3 * torch.randn(70, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    label_map = torch.zeros(70, 4, 6, dtype=torch.uint8)
    stream_features = StreamFeatures(appearance.half(), torch.zeros(70, 1, 4, 6).half(), label_map)
    network = StreamNetwork(torch.nn.Identity(), (APPEARANCE,), 2)
    network.standardise(stream_features)
    seen = stream_features.appearance.float()
    assert torch.allclose(network.mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(network.scale, seen.std(dim=(0, 2, 3), correction=0) + 1e-3, atol=1e-5)
