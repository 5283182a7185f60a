import math

import numpy as np
import pytest
from scipy import stats

from curate.auditing.ranking import (
    counted_auroc,
    counted_average_precision,
    counted_false_alarms,
    spearman,
)
from curate.metrics import auroc


def counts_of(values, is_good, num_scores):
    good = np.bincount(values[is_good], minlength=num_scores)
    bad = np.bincount(values[~is_good], minlength=num_scores)
    return good, bad


@pytest.fixture
def quantised():
    """Scores of 6 values, so that there are many ties."""
    rng = np.random.default_rng(0)
    is_good = rng.random(300) < 0.6
    values = np.clip(rng.integers(0, 5, 300) + is_good, 0, 5)
    return values, is_good


def test_area_agrees_with_counting_every_pair(quantised):
    values, is_good = quantised
    pairs = values[is_good][:, None] - values[~is_good][None]
    by_hand = ((pairs > 0).mean() * 1.0) + (pairs == 0).mean() / 2
    area = counted_auroc(*counts_of(values, is_good, 6))
    assert area == pytest.approx(by_hand)
    assert area == pytest.approx(auroc(values, is_good))


def test_area_of_two_normal_distributions_is_the_closed_form():
    rng = np.random.default_rng(1)
    edges = np.linspace(-5, 7, 2000)
    good, _ = np.histogram(rng.normal(1.5, 1, 200_000), edges)
    bad, _ = np.histogram(rng.normal(0, 1, 200_000), edges)
    assert counted_auroc(good, bad) == pytest.approx(stats.norm.cdf(1.5 / 2**0.5), abs=2e-3)


def test_area_is_one_half_where_all_scores_are_equal_and_flips_with_the_groups():
    assert counted_auroc(np.array([0, 7, 0]), np.array([0, 3, 0])) == 0.5
    assert counted_auroc(np.array([0, 0, 2]), np.array([1, 4, 0])) == 1.0
    assert counted_auroc(np.array([1, 4, 0]), np.array([0, 0, 2])) == 0.0


def test_rows_are_measured_one_by_one():
    good, bad = np.array([[0, 1], [1, 0], [0, 0]]), np.array([[1, 0], [0, 1], [1, 0]])
    np.testing.assert_equal(counted_auroc(good, bad), [1.0, 0.0, np.nan])


def test_average_precision_agrees_with_stepping_through_the_thresholds(quantised):
    values, is_good = quantised
    total, recall = 0.0, 0.0
    for threshold in range(5, -1, -1):
        kept = values >= threshold
        new_recall = (kept & is_good).sum() / is_good.sum()
        total += (new_recall - recall) * is_good[kept].mean() if kept.any() else 0
        recall = new_recall
    precision = counted_average_precision(*counts_of(values, is_good, 6))
    assert precision == pytest.approx(total)


def test_average_precision_of_equal_scores_is_the_share_of_good_ones():
    assert counted_average_precision(np.array([0, 3]), np.array([0, 1])) == 0.75
    assert math.isnan(counted_average_precision(np.array([0, 0]), np.array([0, 1])))
    assert math.isnan(counted_average_precision(np.array([0, 1]), np.array([0, 0])))


def test_false_alarms_by_hand():
    bad = np.array([6, 3, 1, 0])
    untouched = np.array([1, 1, 2, 6])
    assert counted_false_alarms(untouched, bad, found=0.6) == 0.1
    assert counted_false_alarms(untouched, bad, found=0.9) == 0.2
    assert counted_false_alarms(untouched, bad, found=0.95) == pytest.approx(0.4)


def test_false_alarms_of_equal_scores_are_all_of_them():
    assert counted_false_alarms(np.array([0, 5]), np.array([0, 2]), found=0.95) == 1.0
    assert math.isnan(counted_false_alarms(np.array([0, 5]), np.array([0, 0]), found=0.95))


def test_rank_correlation_agrees_with_scipy(quantised):
    values, is_good = quantised
    assert spearman(values, is_good) == pytest.approx(stats.spearmanr(values, is_good)[0])
    assert spearman([1, 2, 3], [10, 20, 40]) == pytest.approx(1)


def test_rank_correlation_of_a_constant_is_nan():
    assert math.isnan(spearman([1, 1], [1, 2]))
    assert math.isnan(spearman([], []))
