"""Scores of two images from files to rows, worked out by hand.

An image of 8x16 pixels is cut into cells of 4x4, two down and four across, and into regions of 8x8.
The network sees it at its own size. The method's scores are the brightness of the red channel of
each cell, of the green one for its image level, of the blue one for its region level; its pixel
level is what the segmenter takes the cell for: the probability of class 1, which is 3/4 where red
is bright and 1/2 where it is dark.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from curate.config import ScoreConfig
from curate.data.dataset import open_dataset
from curate.methods.uniform import Uniform
from curate.models.devices import choose_device
from curate.models.segmenter import Segmenter
from curate.records import ClassSet, LevelScores
from curate.scores.packing import pack
from curate.scoring.scored_image import CellPlan, prepare
from curate.scoring.scorer import Scorer, put_to_use
from curate.training.networks import Networks
from curate.weighting import WeightRule

CPU = choose_device("cpu", "float32")
PLAN = CellPlan((8, 16), ScoreConfig(stride=4, regions="grid", region_px=8, stream_maps=True))
RED = np.array([[0, 51, 102, 255], [0, 0, 204, 255]], np.uint8)  # 0, .2, .4, 1; 0, 0, .8, 1


class ByColour(Uniform):
    """Scores cells by the colours that it sees, and knows two streams, of which one is inactive."""

    gives_scores = True
    has_worth = False

    @property
    def streams(self):
        return ("dark", "inactive")

    def scores(self, evidence):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen = evidence
        red, green, blue = F.avg_pool2d(evidence.images, 4).unbind(dim=1)
        return LevelScores(
            image=green,
            region=blue,
            pixel=evidence.predictions[:, 1],
            combined=red,
            streams={"dark": 1 - red},
            worth=LevelScores(1 - green, 1 - blue, red, 1 - red) if self.has_worth else None,
        )

    def weight_rule(self):
        return WeightRule(power=1.0, mean_power=0.5, uniform=0.0)


def make_networks():
    network = nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
        network.weight[1, 0] = math.log(3)
    segmenter = Segmenter(
        network, num_classes=2, mean=(0.0,) * 3, std=(1.0,) * 3, stages={}, backbone_prefixes=()
    )
    return Networks(segmenter, ByColour(), ())


def write(root, name, label_map, red=RED):
    image = np.zeros((8, 16, 3), np.uint8)
    image[..., 0] = np.kron(red, np.ones((4, 4), np.uint8))
    image[..., 1], image[..., 2] = 51, 153  # 0.2 and 0.6
    for folder, values in (("images", image), ("labels", label_map)):
        (root / folder).mkdir(exist_ok=True)
        Image.fromarray(values).save(root / folder / f"{name}.png")


@pytest.fixture
def source(tmp_path):
    labels = np.zeros((8, 16), np.uint8)
    labels[:4, 12:] = 1  # the upper right cell
    labels[4:, :8] = 255  # the lower half of the left region
    labels[4:, 8:10] = 1  # half of a cell
    write(tmp_path, "a", labels)
    write(tmp_path, "b", np.ones((8, 16), np.uint8), red=np.full((2, 4), 51, np.uint8))
    write(tmp_path, "c", np.full((8, 16), 255, np.uint8))
    classes = ClassSet("own", ("ground", "thing"))
    return open_dataset(tmp_path, layout="folder", id_map=None, classes=classes, key="new")


def score(source, batch_size=4, *, has_worth=False):
    run = SimpleNamespace(networks=make_networks())
    run.networks.method.has_worth = has_worth
    scorer = Scorer(run, PLAN, CPU, batch_size=batch_size)
    assert scorer.streams == ("dark", "inactive")
    batches = list(scorer.score(source, source.pairs, workers=0))
    return [image for batch in batches for image in batch]


def near(*values):
    return pytest.approx(list(values), abs=1e-6, nan_ok=True)


def test_scores_of_an_image_are_means_over_its_labelled_pixels(source):
    image = score(source)[0]
    # labelled: four cells above, 0, .2, .4 and 1, and two below, .8 and 1, of 16 pixels each
    assert image.valid_px == 6 * 16
    assert image.means["score"] == pytest.approx((0 + 0.2 + 0.4 + 1 + 0.8 + 1) / 6, abs=1e-6)
    assert image.means["image_score"] == pytest.approx(0.2)
    assert image.means["region_score"] == pytest.approx(0.6)
    chances = [1 / (1 + 3**-red) for red in (0, 0.2, 0.4, 1, 0.8, 1)]
    assert image.means["pixel_score"] == pytest.approx(sum(chances) / 6, abs=1e-6)
    assert (image.status, image.message, image.height, image.width) == ("ok", "", 8, 16)


def test_scores_of_classes_count_their_own_pixels(source):
    image = score(source)[0]
    # class 0: cells 0, .2, .4, half of .8, and 1; class 1: the upper right cell, half of .8
    assert image.class_px.tolist() == [3 * 16 + 8 + 16, 16 + 8]
    assert image.class_score.tolist() == near((0.6 * 16 + 0.8 * 8 + 16) / 72, (16 + 0.8 * 8) / 24)


def test_scores_of_regions_count_their_own_pixels(source):
    regions = score(source)[0].regions
    assert regions.score.tolist() == near(0.1, (0.4 + 1 + 0.8 + 1) / 4)
    assert regions.valid_px.tolist() == [32, 64]
    assert regions.area_px.tolist() == [64, 64]
    assert regions.class_id.tolist() == [0, 0]
    assert regions.streams["dark"].tolist() == near(0.9, 0.2)
    assert regions.streams["inactive"].tolist() == near(math.nan, math.nan)


def test_weights_follow_from_what_the_method_says_they_follow_from(source):
    scored, weighed = score(source)[0], score(source, has_worth=True)[0]
    # 2 s, with the scores 0, .2, .4, 1, .8 and 1 of the labelled cells, or 2 (1 - s)
    assert scored.means["weight"] == pytest.approx(2 * 3.4 / 6, abs=0.01)
    assert weighed.means["weight"] == pytest.approx(2 * 2.6 / 6, abs=0.01)
    assert weighed.means["image_weight"] == pytest.approx(2 * 0.8, abs=0.01)
    assert weighed.means["region_weight"] == pytest.approx(2 * 0.4, abs=0.01)
    assert weighed.means["pixel_weight"] == pytest.approx(2 * 3.4 / 6, abs=0.01)
    assert weighed.regions.weight.tolist() == pytest.approx([2 * 0.9, 2 * 0.2], abs=0.02)
    assert weighed.means["score"] == scored.means["score"]
    assert weighed.pixel_scores == scored.pixel_scores
    assert weighed.pixel_weights != scored.pixel_weights
    assert weighed.streams == pytest.approx(scored.streams, nan_ok=True)


def packed(values, dtype=np.uint8):
    return pack(np.array(values, dtype))


def test_maps_hold_the_combined_score_of_every_cell(source):
    image = score(source)[0]
    # 127 steps of 255/127: .2 -> 25 -> 50, .4 -> 51 -> 102, .8 -> 102 -> 205; unlabelled ones, too
    assert image.pixel_scores == packed([[0, 50, 102, 255], [0, 0, 205, 255]])
    assert image.region_ids == packed([[0, 0, 1, 1]] * 2, np.uint16)
    assert image.stream_scores["dark"] == packed([[255, 205, 153, 0], [255, 255, 50, 0]])
    assert image.streams["dark"] == pytest.approx(1 - 3.4 / 6, abs=1e-6)
    assert math.isnan(image.streams["inactive"])
    assert set(image.stream_scores) == {"dark"}


def test_every_image_has_its_own_scores_whatever_the_batch(source):
    for batch_size in (1, 2, 4):
        images = score(source, batch_size=batch_size)
        assert [image.means.get("score", math.nan) for image in images] == near(
            3.4 / 6, 0.2, math.nan
        )
        assert [image.status for image in images] == ["ok", "ok", "all_ignored"]
        assert images[1].class_score.tolist() == near(math.nan, 0.2)


def test_short_batches_are_filled_up_with_the_last_image(source):
    networks = make_networks()
    scorer = Scorer(SimpleNamespace(networks=networks), PLAN, CPU, batch_size=4)
    scorer._networks_of_thread = lambda: networks
    list(scorer.score(source, source.pairs[:2], workers=0))
    seen = networks.method.seen
    assert seen.keys == tuple(f"new:images/{name}" for name in "abbb")
    assert not seen.is_real.any()
    assert torch.equal(seen.images[1], seen.images[3])
    assert not torch.equal(seen.images[0], seen.images[1])
    assert seen.label_map[0].tolist() == [[0, 0, 0, 1], [255, 255, 0, 0]]


def test_maps_are_stacked_in_the_order_of_the_columns(source):
    networks = put_to_use(make_networks(), CPU, PLAN.size)
    scorer = Scorer(SimpleNamespace(networks=networks), PLAN, CPU, batch_size=1)
    maps = scorer.compute([prepare(source, source.pairs[0], PLAN)])
    assert maps.shape == (1, 6, 2, 4)
    assert maps.dtype == torch.float32
    assert maps[0, 0].flatten().tolist() == near(0, 0.2, 0.4, 1, 0, 0, 0.8, 1)
    assert maps[0, 1].unique().tolist() == near(0.2)
    assert maps[0, 2].unique().tolist() == near(0.6)
    assert maps[0, 3, 0].tolist() == near(*(1 / (1 + 3**-red) for red in (0, 0.2, 0.4, 1)))
    assert maps[0, 4].tolist() == [near(*(1 - row)) for row in RED / 255]
    assert maps[0, 5].isnan().all()


def test_image_that_cannot_be_read_has_a_row_without_scores(source):
    missing = source.pairs[0]._replace(image_path="images/none.png")
    row = prepare(source, missing, PLAN)
    assert (row.status, row.height, row.width, row.valid_px) == ("missing_image", 0, 0, 0)
    assert "images/none.png" in row.message
    assert row.means == {}
    assert row.class_score.tolist() == near(math.nan, math.nan)
    assert row.class_px.tolist() == [0, 0]
    ignored = prepare(source, source.pairs[2], PLAN)
    assert (ignored.height, ignored.width, ignored.valid_px) == (8, 16, 0)
    assert "every pixel is ignored" in ignored.message


def test_networks_are_put_into_evaluation_mode():
    networks = make_networks()
    networks.segmenter.train()
    networks.method.train()
    assert put_to_use(networks, CPU, PLAN.size) is networks
    assert not networks.segmenter.training
    assert not networks.method.training
