from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from curate.errors import UsageError
from curate.scores.score_file import ScoreFile
from curate.selection import diversity
from curate.selection.export import export_subset
from curate.selection.settings import ExportSettings
from curate.selection.source import SubsetSource
from tests.selection.making import BLOCK_PX, class_px, files, manifest


@pytest.fixture
def alike(root):
    """Let c look nearly as a does, and b like neither."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 190, (8, 16, 3)).repeat(8, axis=0).repeat(8, axis=1)
    other = rng.integers(60, 190, (8, 16, 3)).repeat(8, axis=0).repeat(8, axis=1)
    for name, values in (("a", pixels), ("b", other), ("c", pixels + 2)):
        Image.fromarray(values.astype(np.uint8)).resize((16, 8), 0).save(
            root / f"images/{name}.png"
        )
    return root


def chosen(out):
    return [name for name, row in manifest(out).items() if row["selected"] == "True"]


def test_of_near_duplicates_the_best_is_kept(alike, scores, out, tmp_path):
    export_subset(scores, out=out, count=2)
    assert chosen(out) == ["a", "c"]  # .9, .5
    options = {"out": out, "overwrite": True, "drop_near_duplicates": True, "project": tmp_path}
    export_subset(scores, count=2, **options)
    assert chosen(out) == ["a", "b"]
    rows = manifest(out)
    assert (rows["c"]["reason"], rows["c"]["rank"]) == ("near_duplicate", "")
    assert rows["c"]["why"] == "dropped: near-duplicate of images/a"
    assert rows["b"]["why"] == "kept: 2nd of 2"
    result = export_subset(scores, by="pixel", top="100%", **options)
    assert chosen(out) == ["a", "b"]
    assert result.pixels_kept == 13 * BLOCK_PX  # of a and b
    assert list((tmp_path / ".curate").iterdir())  # need not be looked at again


def test_drawn_units_follow_their_scores(root, scores):
    """Image a has score .9, b .2, c .5: the first of two is drawn by these chances."""
    first = np.zeros(3)
    with ScoreFile(scores) as file:
        for seed in range(2000):
            keys = SubsetSource(file, root, draw_seed=seed).image_keys
            assert np.isnan(keys[3])  # the broken one
            first[keys[:3].argmax()] += 1
    np.testing.assert_allclose(first / 2000, np.array([0.9, 0.2, 0.5]) / 1.6, atol=0.04)


@pytest.mark.parametrize("by", ["image", "region", "pixel"])
def test_a_draw_depends_on_the_seed_alone(scores, out, by):
    seen = []
    for seed in (1, 1, *range(2, 8)):
        wanted = {"by": by, "count": 32 if by == "pixel" else 1, "draw": True, "seed": seed}
        export_subset(scores, out=out, overwrite=True, **wanted)
        seen.append(class_px(out) | {"names": tuple(chosen(out))})
    assert seen[0] == seen[1]
    assert any(each != seen[0] for each in seen[2:])


def test_diverse_images_are_chosen_among_the_best(scores, out, monkeypatch):
    """Of count 1, two are candidates: the best, which is the first centre; count 2 takes all."""
    features = {"a": [0.0], "c": [0.1], "b": [9.0]}

    def encode(files, _reporter):
        return np.array([features[source.id_of(row)[-1]] for source, row in files])

    monkeypatch.setattr(diversity, "encode_images", encode)
    export_subset(scores, out=out, count=1, diverse=True)
    assert chosen(out) == ["a"]
    export_subset(scores, out=out, count=2, diverse=True, overwrite=True)
    assert chosen(out) == ["a", "b"]  # 9 from a; c, the second best, looks like a
    export_subset(scores, out=out, count=3, diverse=True, overwrite=True)
    assert chosen(out) == ["a", "b", "c"]


def test_ways_of_choosing_that_contradict_each_other_are_refused():
    for options, text in (
        ({"per_class": True, "min_class_share": "5%"}, "use one of them"),
        ({"threshold": 0.5, "top": None, "draw": True}, "nothing is left to --draw"),
        ({"per_class": True, "diverse": True}, "need one order of all images"),
        ({"by": "pixel", "diverse": True}, "contradicts --by pixel"),
    ):
        with pytest.raises(UsageError, match=text):
            ExportSettings(**{"top": "5%"} | options)


def test_bounds_and_draws_are_written_down(scores, out):
    export_subset(scores, out=out, count=2, floors=["road=50%"], draw=True, seed=4)
    settings = json.loads((out / "subset.json").read_text())["settings"]
    assert {name: settings[name] for name in ("floors", "draw", "seed")} == {
        "floors": ["road=50%"],
        "draw": True,
        "seed": 4,
    }
    assert "diverse" not in settings


def test_control_is_written_beside(scores, out):
    beside = out.with_name("other")
    result = export_subset(
        scores, out=out, by="region", count=2, control="random", control_out=beside, seed=2
    )
    assert result.control == str(beside)
    assert class_px(beside) == class_px(out)
    assert chosen(out) == ["a", "c"]
    assert "subset.json" in files(beside)
    with pytest.raises(UsageError, match="other exists already"):
        export_subset(
            scores, out=out.with_name("third"), count=1, control="random", control_out=beside
        )
    assert not out.with_name("third").exists()
