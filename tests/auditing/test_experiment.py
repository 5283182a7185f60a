"""The whole experiment, with scorers whose answer is known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from curate.auditing.audited_images import RealImage, region_side
from curate.auditing.experiment import Case, inject_case, measure
from curate.config import ScoreConfig
from curate.corruptions import CORRUPTIONS, STRENGTHS
from tests.tiny import RecordingReporter

SETTINGS = ScoreConfig(region_px=8, batch_size=4, regions="grid")
NAMES = ("noise", "wrong_label", "shifted_label")


def oracle(images):
    """Score each cell by its share of pixels that are as they were."""
    known = {image.key: image for image in images}

    def score(batch):
        is_same = torch.stack(
            [
                (image == torch.from_numpy(known[key].image)).all(dim=0)
                & (labels == torch.from_numpy(known[key].label_map))
                for image, labels, key in zip(
                    batch.images, batch.label_map, batch.keys, strict=True
                )
            ]
        )
        cells = F.avg_pool2d(is_same.float()[:, None], 4, ceil_mode=True, count_include_pad=False)
        return cells.repeat(1, 4, 1, 1)

    return score


def blind(batch):
    cells = -(-batch.label_map.shape[1] // 4), -(-batch.label_map.shape[2] // 4)
    return torch.full((len(batch.keys), 4, *cells), 0.5)


def run(images, score, *, names=NAMES, seed=0, reporter=None):
    corruptions = {name: CORRUPTIONS[name] for name in names}
    reporter = reporter or RecordingReporter()
    table = measure(images, corruptions, score, settings=SETTINGS, seed=seed, reporter=reporter)
    return table.set_index(["level", "score", "corruption", "strength"]).sort_index()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [*STRENGTHS, "all"])
def test_scores_that_know_every_cell_find_everything(images, name, strength):
    table = run(images, oracle(images))
    assert table.loc["image", "score", name, strength].auroc == 1.0
    assert table.loc["image", "score", name, strength].spearman > 0.7
    # a cell at the border of what was corrupted has one score for pixels of both groups
    assert table.loc["pixel", "score", name, strength].auroc > 0.95
    assert table.loc["pixel", "score", name, strength].false_alarm < 0.01


def test_regions_are_found_by_scores_that_know_every_cell(images):
    assert run(images, oracle(images)).loc["region", "score", "noise", "all"].auroc == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_scores_that_know_nothing_are_chance_for_every_corruption(images, name):
    table = run(images, blind)
    for level in ("pixel", "region", "image"):
        assert table.loc[level, "score", name, "all"].auroc == 0.5


def test_answers_given_to_the_wrong_images_are_chance(images):
    right = oracle(images)

    def confused(batch):
        return right(batch).flip(dims=(2, 3))

    found = run(images, confused, names=("noise",)).loc["pixel", "score", "noise", "all"]
    assert found.auroc == pytest.approx(0.5, abs=0.12)


def test_every_corruption_is_injected_into_every_image_and_reported(images):
    reporter = RecordingReporter()
    seen = []

    def score(batch):
        seen.extend(batch.keys)
        return blind(batch)

    table = run(images, score, reporter=reporter)
    total = 6 * (1 + 3 * 2)
    assert len(seen) == total
    assert reporter.tasks == [("audit", total, 0, "images")]
    assert reporter.values[-1][0] == total
    assert len(table) == (1 + 3) * (1 + 2) * 6


def test_a_corruption_is_injected_the_same_whatever_else_is_injected(images):
    alone, among = run(images, oracle(images), names=("noise",)), run(images, oracle(images))
    where = ("pixel", "score", "noise", "mild")
    assert alone.loc[where].auroc == among.loc[where].auroc


def test_strengths_are_told_apart_and_taken_together(images):
    found = run(images, blind).loc["pixel", "score", "shifted_label"].corrupted_share
    assert found["mild"] < 0.8 * found["strong"]
    assert found["all"] == pytest.approx((found["mild"] + found["strong"]) / 2)


def test_another_seed_injects_elsewhere(images):
    case = Case(0, "noise", "strong", CORRUPTIONS["noise"])
    first, again, other = (inject_case(case, images, seed=seed) for seed in (0, 0, 1))
    assert (first.image == again.image).all()
    assert (first.is_corrupted != other.is_corrupted).any()


def test_donor_is_another_image_if_there_is_one(images):
    case = Case(2, "pasted", "strong", CORRUPTIONS["pasted"])
    own = set(map(tuple, images[2].image.reshape(3, -1).T.tolist()))
    injected = inject_case(case, images, seed=0)
    pasted = injected.image[:, injected.is_corrupted].T.tolist()
    assert any(tuple(colour) not in own for colour in pasted)
    inject_case(Case(0, "pasted", "strong", CORRUPTIONS["pasted"]), images[:1], seed=0)


def test_regions_keep_their_size_in_the_world():
    large = RealImage("r0:a", np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8), np.uint8), 2.5)
    assert region_side(large, 40) == 16
    assert region_side(large, 5) == 4
