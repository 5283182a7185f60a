import math

import numpy as np
import pytest
from scipy import stats

from curate.auditing.ranking import (
    counted_auroc,
    counted_average_precision,
    counted_false_alarms,
    draw_resamples,
    percentile_interval,
    spearman,
)
from curate.metrics import auroc


def counts_of(values, is_sound, num_scores):
    sound = np.bincount(values[is_sound], minlength=num_scores)
    corrupted = np.bincount(values[~is_sound], minlength=num_scores)
    return sound, corrupted


@pytest.fixture
def quantised():
    """Scores of 6 values, so that there are many ties."""
    rng = np.random.default_rng(0)
    is_sound = rng.random(300) < 0.6
    values = np.clip(rng.integers(0, 5, 300) + is_sound, 0, 5)
    return values, is_sound


def test_area_agrees_with_counting_every_pair(quantised):
    values, is_sound = quantised
    pairs = values[is_sound][:, None] - values[~is_sound][None]
    by_hand = ((pairs > 0).mean() * 1.0) + (pairs == 0).mean() / 2
    area = counted_auroc(*counts_of(values, is_sound, 6))
    assert area == pytest.approx(by_hand)
    assert area == pytest.approx(auroc(values, is_sound))


def test_area_of_two_normal_distributions_is_the_closed_form():
    rng = np.random.default_rng(1)
    edges = np.linspace(-5, 7, 2000)
    sound, _ = np.histogram(rng.normal(1.5, 1, 200_000), edges)
    corrupted, _ = np.histogram(rng.normal(0, 1, 200_000), edges)
    assert counted_auroc(sound, corrupted) == pytest.approx(stats.norm.cdf(1.5 / 2**0.5), abs=2e-3)


def test_area_is_one_half_where_all_scores_are_equal_and_flips_with_the_groups():
    assert counted_auroc(np.array([0, 7, 0]), np.array([0, 3, 0])) == 0.5
    assert counted_auroc(np.array([0, 0, 2]), np.array([1, 4, 0])) == 1.0
    assert counted_auroc(np.array([1, 4, 0]), np.array([0, 0, 2])) == 0.0


def test_rows_are_measured_one_by_one():
    sound, corrupted = np.array([[0, 1], [1, 0], [0, 0]]), np.array([[1, 0], [0, 1], [1, 0]])
    np.testing.assert_equal(counted_auroc(sound, corrupted), [1.0, 0.0, np.nan])


def test_average_precision_agrees_with_stepping_through_the_thresholds(quantised):
    values, is_sound = quantised
    total, recall = 0.0, 0.0
    for threshold in range(5, -1, -1):
        kept = values >= threshold
        new_recall = (kept & is_sound).sum() / is_sound.sum()
        total += (new_recall - recall) * is_sound[kept].mean() if kept.any() else 0
        recall = new_recall
    precision = counted_average_precision(*counts_of(values, is_sound, 6))
    assert precision == pytest.approx(total)


def test_average_precision_of_equal_scores_is_the_share_of_sound_ones():
    assert counted_average_precision(np.array([0, 3]), np.array([0, 1])) == 0.75
    assert math.isnan(counted_average_precision(np.array([0, 0]), np.array([0, 1])))
    assert math.isnan(counted_average_precision(np.array([0, 1]), np.array([0, 0])))


def test_false_alarms_by_hand():
    corrupted = np.array([6, 3, 1, 0])
    untouched = np.array([1, 1, 2, 6])
    assert counted_false_alarms(untouched, corrupted, found=0.6) == 0.1
    assert counted_false_alarms(untouched, corrupted, found=0.9) == 0.2
    assert counted_false_alarms(untouched, corrupted, found=0.95) == pytest.approx(0.4)


def test_false_alarms_of_equal_scores_are_all_of_them():
    assert counted_false_alarms(np.array([0, 5]), np.array([0, 2]), found=0.95) == 1.0
    assert math.isnan(counted_false_alarms(np.array([0, 5]), np.array([0, 0]), found=0.95))


def test_rank_correlation_agrees_with_scipy(quantised):
    values, is_sound = quantised
    assert spearman(values, is_sound) == pytest.approx(stats.spearmanr(values, is_sound)[0])
    assert spearman([1, 2, 3], [10, 20, 40]) == pytest.approx(1)


def test_rank_correlation_of_a_constant_is_nan():
    assert math.isnan(spearman([1, 1], [1, 2]))
    assert math.isnan(spearman([], []))


def test_first_row_is_the_sample_and_every_row_has_as_many_images():
    times = draw_resamples(7, count=20, seed=0)
    assert times.shape == (21, 7)
    assert (times[0] == 1).all()
    assert (times.sum(axis=1) == 7).all()
    assert len(np.unique(times[1:], axis=0)) > 15


def test_same_seed_draws_the_same():
    first, again, other = (draw_resamples(5, count=9, seed=seed) for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_one_image_cannot_be_resampled():
    assert draw_resamples(1, count=20, seed=0).tolist() == [[1.0]]


def test_interval_cuts_the_same_share_off_both_ends():
    assert percentile_interval(np.arange(101.0), coverage=0.9) == pytest.approx((5, 95))


def test_interval_leaves_out_what_could_not_be_measured():
    assert percentile_interval(np.array([np.nan, 2.0, 2.0])) == (2.0, 2.0)
    assert all(math.isnan(end) for end in percentile_interval(np.array([np.nan])))


def make_images(rng, num_images):
    """Count both groups at 64 scores; in some images they are easy to tell apart."""
    edges = np.linspace(-6, 8, 65)
    contrast = rng.normal(1, 1, (num_images, 1))
    groups = []
    for mean in (contrast, 0.0):
        samples = mean + rng.normal(0, 1, (num_images, 60))
        groups.append(np.stack([np.histogram(row, edges)[0] for row in samples]))
    return groups


def test_interval_over_images_covers_the_truth_where_one_over_pixels_does_not():
    rng = np.random.default_rng(0)
    truth = float(counted_auroc(*(group.sum(axis=0) for group in make_images(rng, 4000))))
    covered, covered_by_pixels, trials = 0, 0, 100
    for trial in range(trials):
        sound, corrupted = make_images(rng, 30)
        times = draw_resamples(30, count=200, seed=trial)
        low, high = percentile_interval(counted_auroc(times @ sound, times @ corrupted)[1:])
        covered += low <= truth <= high
        total = sound.sum()
        resampled = [
            rng.multinomial(total, group.sum(axis=0) / total, size=200)
            for group in (sound, corrupted)
        ]
        low, high = percentile_interval(counted_auroc(*resampled))
        covered_by_pixels += low <= truth <= high
    assert 86 <= covered <= 99
    assert covered_by_pixels < 60
