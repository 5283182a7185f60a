import math

import numpy as np
import pytest

from curate.auditing.bootstrap import draw_resamples, percentile_interval
from curate.auditing.ranking import counted_auroc


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
    """Counts of good and bad samples at 64 scores; in some images they are easy to tell apart."""
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
        good, bad = make_images(rng, 30)
        times = draw_resamples(30, count=200, seed=trial)
        low, high = percentile_interval(counted_auroc(times @ good, times @ bad)[1:])
        covered += low <= truth <= high
        total = good.sum()
        resampled = [
            rng.multinomial(total, group.sum(axis=0) / total, size=200) for group in (good, bad)
        ]
        low, high = percentile_interval(counted_auroc(*resampled))
        covered_by_pixels += low <= truth <= high
    assert 86 <= covered <= 99
    assert covered_by_pixels < 60
