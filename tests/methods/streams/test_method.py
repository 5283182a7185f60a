"""What `streams` finds in a tiny world, and what it must not find."""

from dataclasses import replace

import pytest
import torch

from curate.metrics import auroc
from tests.methods.streams.making import (
    corrupt,
    draw_images,
    evidence_of,
    learn,
    make_method,
    make_preparation,
    mix,
)


def draw_pool(count=16):
    return draw_images(count, "s0", is_real=False, seed=2)


@pytest.fixture(scope="module")
def restyled():
    return corrupt(draw_pool(), appearance=True)


@pytest.fixture(scope="module")
def method(restyled):
    return learn(restyled, epochs=12)


def is_right(scores):
    mask = torch.zeros(scores.shape, dtype=torch.bool)
    mask[..., scores.shape[-1] // 2 :] = True
    return mask


def area(scores, mask=None):
    return auroc(scores, is_right(scores) if mask is None else mask)


@pytest.mark.slow
def test_corrupted_colours_are_found(method, restyled):
    assert area(method.scores(evidence_of(restyled)).combined) > 0.9
    assert method.warning({"auroc_corruption": 0.5}) is None


def test_shuffled_cells_are_chance(method, restyled):
    scores = method.scores(evidence_of(restyled)).combined.flatten()
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(0))
    mask = is_right(method.scores(evidence_of(restyled)).combined).flatten()
    assert abs(auroc(scores[order], mask) - 0.5) < 0.06


@pytest.mark.slow
def test_wrong_labels_are_found():
    pool = corrupt(draw_pool(), labels=True)
    assert area(learn(pool).scores(evidence_of(pool)).combined) > 0.9


@pytest.mark.slow
def test_label_in_a_place_of_its_own_is_found_by_layout():
    pool = draw_pool(32)
    corner = torch.zeros(pool.label_map.shape, dtype=torch.bool)
    corner[:, -12:, :24] = True
    pool.label_map[corner] = 1  # "sky", where real images have ground only
    method = learn(pool, real=draw_images(24, "r0", is_real=True, seed=1), epochs=40)
    layout = method.scores(evidence_of(pool)).streams["layout"]
    cells = corner[:, 2::4, 2::4]
    assert auroc(layout, ~cells) > 0.95
    assert auroc(layout, ~cells.flip(2)) < 0.8


@pytest.mark.slow
def test_mismatch_finds_labels_and_not_colours(restyled):
    pool = corrupt(draw_pool(), labels=True)
    assert area(learn(pool).scores(evidence_of(pool)).streams["mismatch"]) > 0.9
    blind = learn(restyled, corruptions=["style", "blur"])
    assert "mismatch" not in blind.scores(evidence_of(restyled)).streams


@pytest.mark.slow
def test_corruption_that_was_never_injected_is_found(restyled):
    method = learn(restyled, corruptions=["wrong_label"])
    assert area(method.scores(evidence_of(restyled)).combined) > 0.85


@pytest.mark.slow
def test_every_stream_is_inactive_where_nothing_is_corrupted():
    pool = draw_pool()
    method = learn(pool)
    assert not method.fusion.active_streams
    assert torch.equal(method.scores(evidence_of(pool)).combined, torch.full((16, 8, 12), 0.5))
    assert set(method.evaluate([], is_last=True).values()) == {0.5}
    assert "no stream finds" in method.warning({})
    assert "Scores are uniform" in method.warning({})


@pytest.mark.slow
def test_weights_are_low_where_labels_are_wrong_and_have_mean_one():
    pool = corrupt(draw_pool(), labels=True)
    method = learn(pool)
    weights, metrics = method.step(evidence_of(pool), is_warmup=False)
    right = is_right(weights)
    assert weights[~right].mean() < 0.7 < 1.3 < weights[right].mean()
    assert weights.mean() == pytest.approx(1, abs=0.05)
    assert 0.2 <= metrics["ess"] <= 1


def test_score_of_an_image_does_not_depend_on_its_batch(method, restyled):
    together = method.scores(evidence_of(restyled)).combined
    first = draw_images(16, "s0", is_real=False, seed=3)
    images, labels = first.images.clone(), first.label_map.clone()
    images[5], labels[5] = restyled.images[5], restyled.label_map[5]
    other = method.scores(evidence_of(type(first)(images, labels, first.is_real, first.keys)))
    assert torch.equal(together[5], other.combined[5])


@pytest.mark.slow
def test_preparation_goes_on_from_any_finished_part(restyled):
    preparation = make_preparation(restyled)
    whole = make_method(preparation)
    states = [
        {name: value.clone() for name, value in whole.state_dict().items()}
        for progress in whole.prepare(preparation)
        if progress.is_safe
    ]
    assert [int(state["num_learned"]) for state in states] == [*range(1, 9)]
    for state in (states[0], states[2], states[3], states[6]):
        resumed = make_method(preparation)
        resumed.load_state_dict(state)
        for _ in resumed.prepare(preparation):
            pass
        for name, value in whole.state_dict().items():
            assert torch.equal(resumed.state_dict()[name], value), name


def test_no_network_is_trained_on_the_images_that_it_scores(restyled):
    preparation = make_preparation(restyled)
    asked = []

    def draw_real(excluded, steps):
        asked.append(excluded)
        return preparation.draw_real(excluded, steps)

    method = make_method(preparation, reference_steps=1, epochs=1)
    watched = replace(preparation, draw_real=draw_real)
    for _ in method.prepare(watched):
        pass
    for fold, excluded in enumerate(asked):
        own = {key for key, split in method.splits.items() if split.fold == fold}
        assert own <= excluded
    assert len(asked) == 2
    # what the references tell of labels was learned, too
    assert float(method.confidence.slope) != 1
    assert method.confidence.offsets.any()


def test_image_is_scored_by_every_fold_that_was_not_trained_on_it(method):
    posteriors = [torch.full((3, 1, 1), 0.2), torch.full((3, 1, 1), 0.6)]
    keys = ("r0:00", "s0:00", "new:00")
    assert [method.splits[key].fold for key in keys[:2]] == [0, 1]
    learned_domains = method._choose_folds("appearance", posteriors, keys).flatten()
    learned_corruptions = method._choose_folds("corruption", posteriors, keys).flatten()
    assert torch.allclose(learned_domains, torch.tensor([0.2, 0.6, 0.4]))
    assert torch.allclose(learned_corruptions, torch.tensor([0.2, 0.4, 0.4]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_shuffled_domains_leave_every_stream_inactive_and_scores_uniform(seed):
    generator = torch.Generator().manual_seed(seed)
    is_corrupted = torch.randperm(32, generator=generator) < 16  # half of both domains together
    real, pool = (
        mix(batch, corrupt(batch, appearance=True), mask.tolist())
        for batch, mask in (
            (draw_images(16, "r0", is_real=True, seed=10 + seed), is_corrupted[:16]),
            (draw_images(16, "s0", is_real=False, seed=20 + seed), is_corrupted[16:]),
        )
    )
    method = learn(pool, real=real)
    assert not method.fusion.active_streams
    scores = method.scores(evidence_of(pool)).combined
    assert torch.equal(scores, torch.full_like(scores, 0.5))


@pytest.mark.slow
def test_swapped_domains_do_not_find_what_is_corrupted():
    real = corrupt(draw_images(16, "r0", is_real=True, seed=1), appearance=True)
    method = learn(draw_pool(), real=real)
    assert method.fusion.active_streams
    strangers = corrupt(draw_images(16, "new", is_real=False, seed=3), appearance=True)
    assert area(method.scores(evidence_of(strangers)).combined) < 0.5
