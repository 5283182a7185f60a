from __future__ import annotations

import numpy as np

from curate.selection.cuts import make_cut, select
from curate.showing import histograms, kept

HALF = kept.NUM_STEPS // 2
QUARTER = kept.NUM_STEPS // 4
VALUES = np.array([0.2, 0.9, np.nan, 0.5, 0.4])
CLASS_PX = np.array([[10, 0], [4, 6], [99, 99], [0, 8], [6, 2]])


def test_best_images_are_kept_first():
    table = kept.tabulate_units("image", "score", VALUES, CLASS_PX, CLASS_PX.sum(1)[:, None])
    assert (table.total, table.num_kept[HALF], table.thresholds[HALF]) == (4, 2, 0.5)
    assert table.class_px.tolist() == [20, 16]  # of the image without a score nothing counts
    np.testing.assert_allclose(table.class_kept[HALF], [4 / 20, 14 / 16])
    np.testing.assert_allclose(table.class_kept[QUARTER], [4 / 20, 6 / 16])
    np.testing.assert_allclose(table.set_kept[HALF], [18 / 36])
    assert table.class_kept[0].tolist() == [0, 0]
    assert table.class_kept[-1].tolist() == [1, 1]
    assert np.isnan(table.thresholds[0])


def test_regions_count_for_their_class_alone():
    px, class_id = np.array([10, 20, 30, 40]), np.array([0, 1, 0, 255])
    by_class = kept.Grouped(px, class_id, 2)
    by_set = kept.Grouped(px, np.zeros(4, np.int64), 1)
    values = np.array([0.9, 0.8, 0.1, 0.7])
    table = kept.tabulate_units("region", "score", values, by_class, by_set)
    np.testing.assert_allclose(table.class_kept[HALF], [10 / 40, 1])
    np.testing.assert_allclose(table.set_kept[HALF], [30 / 100])


def test_every_step_keeps_what_an_export_would():
    rng = np.random.default_rng(3)
    values = rng.random(37).round(1)  # with ties
    px = rng.integers(1, 9, (37, 1))
    table = kept.tabulate_units("image", "score", values, px, px)
    for step in (1, 40, 123, 399, 400):
        is_kept = select(values, make_cut(top=f"{step / 4}%"))
        assert table.num_kept[step] == is_kept.sum()
        np.testing.assert_allclose(table.class_kept[step], px[is_kept].sum() / px.sum())


def test_cut_inside_a_value_keeps_as_large_a_share_of_every_class():
    counts = np.zeros((1, 2, 256), np.int64)
    counts[0, 0, 255], counts[0, 0, 10] = 30, 10
    counts[0, 1, 200] = 60
    table = kept.tabulate_levels("score", counts, 1.0)
    assert (table.total, table.num_kept[HALF]) == (100, 50)
    np.testing.assert_allclose(table.class_kept[HALF], [30 / 40, 20 / 60])
    np.testing.assert_allclose(table.thresholds[HALF], 200 / 255)
    np.testing.assert_allclose(table.class_kept[-1], [1, 1])
    np.testing.assert_allclose(table.thresholds[-1], 10 / 255)
    assert table.class_kept[0].tolist() == [0, 0]


def test_shares_by_region_are_of_the_pixels_of_labels():
    px, class_id = np.array([10, 20, 30]), np.array([0, 1, 0])
    by_class, by_set = (kept.Grouped(px, own, 4) for own in (class_id, 0 * class_id))
    table = kept.tabulate_units("region", "score", np.array([0.9, 0.8, 0.1]), by_class, by_set)
    told = kept.count_in_labels(table, np.array([38, 20, 2, 0]), np.array([60]))
    assert told.class_px.tolist() == [38, 20, 2, 0]
    # of the third there is no region, of the last no pixel either
    np.testing.assert_allclose(told.class_kept[HALF], [10 / 40, 1, 30 / 60, 0])


def test_all_units_and_rankings_have_a_table(two_sets):
    tallies = histograms.count_cells(two_sets, Reporter())
    tables = kept.tabulate_kept(two_sets, tallies)
    assert [(table.unit, table.rank_by) for table in tables] == [
        (unit, rank_by) for unit in ("image", "region", "pixel") for rank_by in ("score", "weight")
    ]
    plain = tables[0].to_json()
    assert plain["total"] == 4
    for table in tables:  # counted in the labels, whatever is cut
        assert table.to_json()["setPx"] == [768, 768]
    assert [kept[HALF] for kept in plain["setKept"]] == [0.5, 0.5]
    assert plain["thresholds"][0] is None


class Reporter:
    def start(self, *_, **__):
        pass

    advance = finish = warn = note = start
