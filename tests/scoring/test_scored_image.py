import numpy as np
import pytest
import torch

from curate.config import ScoreConfig
from curate.records import Pair
from curate.scores.packing import pack, unpack
from curate.scoring.cells import CellWeights, count_cell_classes
from curate.scoring.regions import outline_regions
from curate.scoring.scored_image import (
    NUM_STEPS,
    CellPlan,
    PreparedImage,
    quantise,
    score_cells,
    to_cells,
)
from curate.weighting import WeightRule

PLAN = CellPlan((4, 4), ScoreConfig(stride=2, regions="grid"))
FLAT = CellWeights(WeightRule())


def test_a_ramp_over_the_network_grid_is_a_ramp_over_the_original():
    # a network grid of 8 x 8 cells over 32 x 32 pixels; the original is 64 x 64
    ramp = (torch.arange(8.0) + 0.5) / 8
    maps = ramp.expand(8, 8)[None]
    cells = to_cells(maps, size=(32, 32), height=64, width=64, stride=4)[0]
    assert cells.shape == (16, 16)
    expected = (np.arange(16) + 0.5) / 16
    assert cells[0, 1:-1].numpy() == pytest.approx(expected[1:-1], abs=1e-6)


def test_cells_stay_aligned_where_sides_are_no_multiples():
    # 5 grid cells over 18 pixels reach to 20; an original of the same size must not be stretched
    ramp = torch.arange(5.0)[None, None].expand(1, 5, 5) * 4 + 2
    cells = to_cells(ramp, size=(18, 18), height=18, width=18, stride=2)[0]
    assert cells[0, 1:].numpy() == pytest.approx(np.arange(3, 18, 2), abs=1e-5)


def test_stored_scores_are_rounded_to_few_steps_and_reach_both_ends():
    scores = np.linspace(0, 1, 1001, dtype=np.float32)
    stored = quantise(scores)
    assert (stored[0], stored[-1], len(np.unique(stored))) == (0, 255, NUM_STEPS + 1)
    assert abs(stored / 255 - scores).max() < 0.0064


def prepared_image():
    """Two cells side by side, a region each; half of the left one is ignored."""
    labels = np.zeros((2, 4), np.uint8)
    labels[0, :2] = 255
    cells = count_cell_classes(labels, num_classes=1, stride=2)
    region_ids = np.array([[0, 1]])
    return PreparedImage(
        pair=Pair("a", "a.png", "b.png"),
        key="new:a",
        image=torch.zeros(3, 4, 4),
        label_map=torch.zeros(4, 4),
        cells=cells,
        labels=np.array([[255, 0]], np.uint8),
        region_of=region_ids.reshape(-1)[cells.cell].astype(np.uint32),
        region_ids=pack(region_ids.astype(np.uint16)),
        regions=outline_regions(region_ids, cells, stride=2, height=2, width=4),
        height=2,
        width=4,
    )


def test_each_stream_is_pooled_by_itself():
    levels = [[[0.5, 0.5]]] * 4
    maps = np.array([*levels, [[0.3, 0.9]], [[np.nan] * 2]], np.float32)
    plan = CellPlan((4, 4), ScoreConfig(stride=2, regions="grid", stream_maps=True))
    image = score_cells(prepared_image(), maps, plan, FLAT, ("seen", "inactive"))
    # 2 valid pixels in the left cell, 4 in the right one
    assert image.means["score"] == pytest.approx(0.5)
    assert image.streams == {
        "seen": pytest.approx(0.7),
        "inactive": pytest.approx(np.nan, nan_ok=True),
    }
    assert image.regions.streams["seen"] == pytest.approx([0.3, 0.9])
    assert np.isnan(image.regions.streams["inactive"]).all()
    assert image.stream_scores == {"seen": pack(quantise(maps[4]))}
    assert score_cells(prepared_image(), maps[:4], plan, FLAT).streams == {}


def test_maps_of_streams_are_kept_only_on_demand():
    maps = np.full((5, 1, 2), 0.5, np.float32)
    image = score_cells(prepared_image(), maps, PLAN, FLAT, ("seen",))
    assert image.stream_scores == {}
    assert image.streams == {"seen": 0.5}


def test_weights_follow_from_stored_scores_by_the_rule():
    # w(s) = s / .5, at most .8 / .5: scores 0, 1, .2 and .4 weigh 0, 1.6, .4 and .8
    weights = CellWeights(WeightRule(power=1, mean_power=0.5, clip=1.6, uniform=0))
    maps = np.array([[[0, 1]], [[1, 1]], [[0.2, 0.4]], [[0, 0]]], np.float32)
    image = score_cells(prepared_image(), maps, PLAN, weights)
    # 2 valid pixels in the left cell, 4 in the right one
    assert image.means["weight"] == pytest.approx(4 * 1.6 / 6)
    assert image.means["image_weight"] == pytest.approx(1.6)
    assert image.means["region_weight"] == pytest.approx((2 * 0.4 + 4 * 0.8) / 6, abs=2 / 254)
    assert image.means["pixel_weight"] == 0
    assert image.regions.weight.tolist() == pytest.approx([0, 1.6])
    assert unpack(image.pixel_weights).tolist() == [[0, 255]]


def test_scores_of_a_class_are_multiplied_by_its_factor_before_they_are_weighed():
    rule = WeightRule(power=2, uniform=0.5, class_factors=(0.5, 1.0))
    weights = CellWeights(rule)
    stored, labels = np.array([[255, 255, 0, 255]], np.uint8), np.array([[0, 1, 1, 255]], np.uint8)
    # one half, and one half of the square of the score times its factor
    assert weights.weigh(stored, labels).tolist() == [[0.625, 1, 0.5, 1]]
    assert weights.store(stored, labels).tolist() == [[159, 255, 128, 255]]
    assert rule.to_json()["largest"] == 1
