from __future__ import annotations

import numpy as np

from curate.reporting import SilentReporter
from curate.showing import histograms
from tests.showing.making import opened, write_set


def test_cells_are_counted_by_set_class_and_score(two_sets):
    counted = histograms.count_cells(two_sets, SilentReporter())
    assert counted.images == 4
    assert counted.scores.shape == (2, 2, 256)
    cells = 8 * 6  # of each class in each image
    left, right = counted.scores[0]  # scores .1 and .8, and what is left to 1 on the right
    assert (left[26], left[204], left.sum()) == (cells, cells, 2 * cells)
    assert (right[230], right[51], right.sum()) == (cells, cells, 2 * cells)


def test_weights_are_counted_up_to_the_largest(two_sets):
    counted = histograms.count_cells(two_sets, SilentReporter())
    values = counted.weights[0].sum(axis=0).nonzero()[0] / 255 * counted.largest_weight
    file = two_sets.sources[0].scores
    maps = [np.unique(file.pixel_weights(each)) for each in file.scored_ids()]
    np.testing.assert_allclose(values, np.concatenate(maps), atol=counted.largest_weight / 255)


def test_of_many_images_evenly_spaced_ones_are_counted(two_sets, monkeypatch):
    monkeypatch.setattr(histograms, "MAX_IMAGES", 2)
    counted = histograms.count_cells(two_sets, SilentReporter())
    assert counted.images == 2
    assert counted.scores.sum(axis=(1, 2)).tolist() == [96, 96]  # the first and the last


def test_without_regions_no_cell_has_a_class(tmp_path):
    sets = opened(write_set(tmp_path, "city", {"a": 0.2}, levels=["image"]))
    assert histograms.count_cells(sets, SilentReporter()) is None
    assert [chart.title for chart in histograms.draw_levels(sets, None)] == ["Images"]
    assert histograms.draw_classes(sets, None) == []


def test_outline_is_as_high_as_the_share():
    counts = np.zeros(256, np.int64)
    counts[0], counts[255] = 3, 1
    shape = histograms.draw_shape("x", counts, 0.75)
    assert shape.path.startswith("M0 100V0.0H10V100.0H20")
    assert shape.path.endswith("V66.7H320V100Z")
    assert (shape.count, shape.quantiles) == (4, (0, 0, 1))


def test_nothing_has_no_quantiles():
    shape = histograms.draw_shape("x", np.zeros(256, np.int64), 0.0)
    assert np.isnan(shape.quantiles).all()


def test_each_set_and_class_has_its_histogram(two_sets):
    counted = histograms.count_cells(two_sets, SilentReporter())
    levels = histograms.draw_levels(two_sets, counted)
    assert [chart.title for chart in levels] == ["Images", "Regions", "Pixels"]
    assert [[shape.count for shape in chart.shapes] for chart in levels] == [
        [2, 2], [4, 4], [192, 192],
    ]  # fmt: skip
    assert [chart.title for chart in histograms.draw_classes(two_sets, counted)] == ["a", "b"]
    counted.scores[:, 0] = 0  # no image shows the first class
    assert [chart.title for chart in histograms.draw_classes(two_sets, counted)] == ["b"]


def test_missing_scores_do_not_count(sets):
    assert histograms.draw_levels(sets, None)[0].shapes[0].count == 6  # of seven images


def tallied(*values):
    counts = np.zeros((1, 1, 256), np.int64)
    for value in values:
        counts[0, 0, round(value * 255)] += 1
    return histograms.Tallies(counts, counts, 1.0, 1)


def test_colours_span_what_scores_there_are():
    assert histograms.find_span(tallied(0.46, 0.5, 0.53)) == (0.45, 0.55)
    assert histograms.find_span(tallied(0.5)) == (0.5, 0.6)
    assert histograms.find_span(tallied(1.0)) == (0.9, 1.0)
    assert histograms.find_span(tallied(0.1, 0.9)) == (0.0, 1.0)
    assert histograms.find_span(tallied(*[0.5] * 300, 0.0)) == (0.5, 0.6)  # one of many is no end
    assert histograms.find_span(None) == (0.0, 1.0)
