import math

import numpy as np
import pytest

from curate.auditing.measures import measure_group, tally_image
from curate.auditing.ranking import draw_resamples, spearman
from curate.metrics import auroc
from curate.records import IGNORE_INDEX

SHAPE = (16, 24)
CELLS = (4, 6)
NUM = 20


def random_masks(seed):
    """Masks of whole cells, about half of them corrupted, and never all or none."""
    rng = np.random.default_rng(seed)
    cells = rng.random((NUM, *CELLS)) < rng.uniform(0.2, 0.8, (NUM, 1, 1))
    cells[:, 0, 0], cells[:, 0, 1] = True, False
    return cells.repeat(4, axis=1).repeat(4, axis=2)


def tallies(score, masks):
    """Tally images by `score(mask of cells, image number) -> map`; a cell is a region."""
    labels, regions = np.zeros(SHAPE, np.uint8), np.arange(24).reshape(CELLS)
    found = []
    for number, mask in enumerate(masks):
        one_map = np.asarray(score(mask[::4, ::4], number), np.float32)
        found.append(tally_image(np.stack([one_map] * 4), labels, mask, regions))
    return found


def measure(score, seed=0, masks=None):
    masks = random_masks(seed) if masks is None else masks
    injected = list(enumerate(tallies(score, masks)))
    untouched = tallies(score, np.zeros_like(masks))
    rows = measure_group(injected, untouched, draw_resamples(NUM, count=100, seed=0))
    return {(row["level"], row["score"]): row for row in rows}


LEVELS = ("pixel", "region", "image")


def test_scores_that_know_the_truth_are_perfect_at_every_level():
    rows = measure(lambda mask, _: ~mask)
    for level in LEVELS:
        row = rows[level, "score"]
        assert [row[k] for k in ("auroc", "auroc_low", "auroc_high")] == [1.0, 1.0, 1.0]
        assert row["average_precision"] == 1.0
    assert rows["pixel", "score"]["false_alarm"] == 0.0
    assert rows["image", "score"]["spearman"] == pytest.approx(1.0)


def test_inverted_scores_are_all_wrong():
    rows = measure(lambda mask, _: mask)
    assert [rows[level, "score"]["auroc"] for level in LEVELS] == [0.0, 0.0, 0.0]
    assert rows["pixel", "score"]["false_alarm"] == 1.0


def test_constant_scores_are_chance_and_lose_everything():
    rows = measure(lambda mask, _: np.full(CELLS, 0.7))
    assert [rows[level, "score"]["auroc"] for level in LEVELS] == [0.5, 0.5, 0.5]
    assert rows["pixel", "score"]["false_alarm"] == 1.0
    row = rows["pixel", "score"]
    assert row["average_precision"] == pytest.approx(row["sound_share"])
    assert math.isnan(rows["image", "score"]["spearman"])


def test_scores_of_another_image_are_chance_and_the_interval_says_so():
    masks = random_masks(0)
    strangers = random_masks(1)[:, ::4, ::4]
    rows = measure(lambda _, number: ~strangers[number], masks=masks)
    for level in ("pixel", "region"):
        row = rows[level, "score"]
        assert row["auroc"] == pytest.approx(0.5, abs=0.1)
        assert row["auroc_low"] < 0.5 < row["auroc_high"]


def test_pixel_and_region_areas_agree_with_those_over_all_samples():
    rng = np.random.default_rng(3)
    masks = random_masks(0)
    noise = rng.integers(0, 8, (NUM, *CELLS)) / 51
    rows = measure(lambda mask, number: noise[number] + 0.1 * ~mask, masks=masks)
    is_sound = ~masks[:, ::4, ::4]
    expected = auroc(np.rint((noise + 0.1 * is_sound) * 255), is_sound)
    assert rows["pixel", "score"]["auroc"] == pytest.approx(expected)
    assert rows["region", "score"]["auroc"] == pytest.approx(expected, abs=0.01)


def test_image_measures_agree_with_those_by_hand():
    rng = np.random.default_rng(4)
    masks = random_masks(0)
    noise = rng.random(NUM)

    def score(mask, number):
        return np.full(CELLS, 0.5 * noise[number] + 0.5 * (~mask).mean())

    row = measure(score, masks=masks)["image", "score"]
    before, corrupted = tallies(score, np.zeros_like(masks)), tallies(score, masks)
    values = [t.score for t in before + corrupted]
    assert row["auroc"] == pytest.approx(auroc(values, [True] * NUM + [False] * NUM))
    assert row["spearman"] == pytest.approx(spearman(values, [t.share for t in before + corrupted]))


def test_images_into_which_nothing_was_injected_take_no_part():
    masks = random_masks(0)
    masks[5:] = False
    rows = measure(lambda mask, number: ~mask if number < 5 else mask * 0, masks=masks)
    row = rows["image", "score"]
    assert (row["images"], row["auroc"]) == (5, 1.0)
    assert rows["pixel", "score"]["auroc"] == 1.0


def test_nothing_injected_at_all_is_nan_everywhere():
    rows = measure(lambda mask, _: ~mask, masks=np.zeros((NUM, *SHAPE), bool))
    for level in LEVELS:
        row = rows[level, "score"]
        assert row["images"] == 0
        assert math.isnan(row["auroc"])
        assert math.isnan(row["auroc_low"])


def test_every_network_is_measured_by_itself_at_pixel_level():
    rows = measure(lambda mask, _: ~mask)
    assert list(rows) == [
        ("pixel", "score"),
        ("region", "score"),
        ("image", "score"),
        ("pixel", "image_score"),
        ("pixel", "region_score"),
        ("pixel", "pixel_score"),
    ]


def test_every_stream_is_measured_by_its_own_map():
    masks = random_masks(0)
    labels, regions = np.zeros(SHAPE, np.uint8), np.arange(24).reshape(CELLS)

    def tally_all(corrupted):
        found = []
        for mask in corrupted:
            truth = (~mask[::4, ::4]).astype(np.float32)
            maps = np.stack([*[1 - truth] * 4, truth, truth * np.nan, 1 - truth])
            found.append(tally_image(maps, labels, mask, regions))
        return found

    injected = list(enumerate(tally_all(masks)))
    times = draw_resamples(NUM, count=100, seed=0)
    names = ("right", "inactive", "wrong")
    rows = measure_group(injected, tally_all(np.zeros_like(masks)), times, names)
    streams = {row["score"]: row for row in rows[6:]}
    assert [(row["level"], row["score"]) for row in rows[6:]] == [("pixel", n) for n in names]
    assert [streams[name]["auroc"] for name in ("right", "wrong")] == [1.0, 0.0]
    assert math.isnan(streams["inactive"]["auroc"])
    assert math.isnan(streams["inactive"]["false_alarm"])
    assert rows[0]["auroc"] == 0.0
    assert {tuple(row) for row in rows[3:]} == {tuple(rows[0])}


def tally(cells, is_corrupted, label_map=None, region_ids=None):
    """A map of two cells side by side over an image of 4x8 pixels."""
    maps = np.stack([np.array([cells], np.float32)] * 4)
    labels = np.zeros((4, 8), np.uint8) if label_map is None else label_map
    regions = np.array([[0, 1]]) if region_ids is None else region_ids
    return tally_image(maps, labels, is_corrupted, regions)


@pytest.fixture
def left_half():
    """The left cell is corrupted, and a quarter of the right one."""
    is_corrupted = np.zeros((4, 8), bool)
    is_corrupted[:, :5] = True
    return is_corrupted


def test_pixels_are_counted_by_the_score_of_their_cell(left_half):
    found = tally([0.0, 1.0], left_half)
    assert found.corrupted_px[:, 0].tolist() == [16] * 4
    assert found.corrupted_px[:, 255].tolist() == [4] * 4
    assert found.sound_px[:, 255].tolist() == [12] * 4
    assert (found.sound_px.sum(), found.corrupted_px.sum()) == (4 * 12, 4 * 20)


def test_each_map_is_counted_by_itself(left_half):
    maps = np.array([[[0.0, 1.0]], [[0.2, 0.2]], [[1.0, 0.0]], [[0.5, 0.5]]], np.float32)
    found = tally_image(maps, np.zeros((4, 8), np.uint8), left_half, np.array([[0, 1]]))
    assert found.sound_px.argmax(axis=1).tolist() == [255, 51, 0, 128]


def test_inactive_stream_is_in_no_count(left_half):
    maps = np.array([*[[[0.0, 1.0]]] * 4, [[np.nan] * 2], [[0.2, 0.2]]], np.float32)
    found = tally_image(maps, np.zeros((4, 8), np.uint8), left_half, np.array([[0, 1]]))
    assert found.sound_px.sum(axis=1).tolist() == [12, 12, 12, 12, 0, 12]
    assert found.corrupted_px[:, 51].tolist() == [0, 0, 0, 0, 0, 20]


def test_ignored_pixels_are_in_no_count(left_half):
    label_map = np.zeros((4, 8), np.uint8)
    label_map[:, :4] = IGNORE_INDEX
    found = tally([0.0, 1.0], left_half, label_map)
    assert (found.sound_px[0].sum(), found.corrupted_px[0].sum()) == (12, 4)
    assert found.region_scores.tolist() == [1.0]
    assert (found.score, found.share) == (1.0, 0.75)


def test_regions_and_image_get_means_over_pixels(left_half):
    found = tally([0.25, 0.75], left_half)
    assert found.region_scores.tolist() == [0.25, 0.75]
    assert found.region_shares.tolist() == [0.0, 0.75]
    assert (found.score, found.share) == (0.5, 12 / 32)


def test_cells_cut_off_by_the_image_count_the_pixels_they_have():
    maps = np.ones((4, 2, 2), np.float32)
    shape = (5, 6)
    found = tally_image(
        maps, np.zeros(shape, np.uint8), np.zeros(shape, bool), np.zeros((2, 2), int)
    )
    assert found.sound_px[0, 255] == 30
