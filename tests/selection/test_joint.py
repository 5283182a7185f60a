"""Several data sets cut as if they were one, into one subset."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from curate.data.idmaps import IdMap
from curate.errors import StoreError, UsageError
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from curate.selection.candidates import look_at_scored
from curate.selection.export import export_subset
from curate.selection.source import SubsetSource
from tests.selection.making import BLOCK_PX, LABELS, Warnings, files, manifest, scored, write_scores


def described(name, **changes):
    return {"dataset": {"layout": "folder", "id_map": "toy", "name": name}} | changes


@pytest.fixture
def pair(tmp_path, root):
    """Scores of two equal data sets, called near and far."""
    shutil.copytree(root, tmp_path / "copy")
    near = write_scores(tmp_path / "w.near.h5", root, **described("near"))
    return [near, write_scores(tmp_path / "w.far.h5", tmp_path / "copy", **described("far"))]


def test_each_set_has_a_folder_and_ids_begin_with_its_name(pair, root, out):
    result = export_subset(pair, out=out, top="34%")  # 2 of 6 images: the best of each
    assert (result.selected, result.of, result.images_of) == (2, 6, 8)
    assert result.sets["far"] == {
        "selected": 1,
        "of": 3,
        "pixels_kept": 7 * BLOCK_PX,
        "pixels_total": 21 * BLOCK_PX,
    }
    assert files(out) == [
        "far/images/a.png",
        "far/labels/a.png",
        "manifest.csv",
        "near/images/a.png",
        "near/labels/a.png",
        "subset.json",
    ]
    assert (out / "near/images/a.png").samefile(root / "images/a.png")
    rows = manifest(out)
    assert [rows[f"{name}/images/{one}"]["rank"] for one in "ab" for name in ("near", "far")] == [
        "1",
        "2",
        "5",
        "6",
    ]
    assert rows["far/images/a"]["image_path"] == "far/images/a.png"
    assert rows["far/images/z"]["label_path"] == ""  # which has none, not even a folder
    record = json.loads((out / "subset.json").read_text())
    assert [each["name"] for each in record["sets"]] == ["near", "far"]


def test_a_trainer_sees_one_folder_or_one_list(pair, out):
    export_subset(pair, out=out, format="folder", by="region", count=2)
    assert files(out / "images") == ["far/a.png", "near/a.png"]
    assert files(out / "labels") == files(out / "images")
    export_subset(pair, out=out, format="list", top="34%", overwrite=True)
    assert (out / "images.txt").read_text().splitlines() == [
        "../data/images/a.png",
        "../copy/images/a.png",
    ]


def test_rewritten_labels_stay_apart(pair, out):
    export_subset(pair, out=out, format="list", by="region", count=2)
    assert (out / "labels.txt").read_text().splitlines() == [
        "labels/near/a.png",
        "labels/far/a.png",
    ]
    assert files(out / "labels") == ["far/a.png", "near/a.png"]


def test_sets_of_one_name_are_refused_and_so_are_other_runs(tmp_path, root, scores, out):
    other = write_scores(tmp_path / "other.h5", root)
    with pytest.raises(UsageError, match=r"called data, data: names must differ.*curate merge"):
        export_subset([scores, other], out=out, top="50%")
    strange = write_scores(tmp_path / "strange.h5", root, **described("x", run="another"))
    with pytest.raises(StoreError, match="these differ: run"):
        export_subset([scores, strange], out=out, top="50%")
    assert not out.exists()


def test_folder_of_one_set_cannot_be_named_for_several(pair, out):
    with pytest.raises(UsageError, match="there are 2 score files"):
        export_subset(pair, out=out, top="50%", dataset="moved")


def test_weights_are_compared_before_each_file_was_divided_by_its_mean(tmp_path, root, out):
    """Weights have mean 1 in each file; between files the better set must keep its lead."""
    shutil.copytree(root, tmp_path / "copy")
    images = {
        name: [
            replace(each, means=each.means | {"weight": factor * weight})
            for each, weight in zip(map(scored, LABELS), (0.3, 0.2, 0.1), strict=True)
        ]
        for name, factor in (("low", 1), ("high", 4))
    }
    low = write_scores(tmp_path / "low.h5", root, images["low"], **described("low"))
    high = write_scores(
        tmp_path / "high.h5", tmp_path / "copy", images["high"], **described("high")
    )
    result = export_subset([low, high], out=out, count=3, rank_by="weight")
    assert (result.sets["low"]["selected"], result.sets["high"]["selected"]) == (0, 3)


def test_what_is_cut_is_told(pair, out):
    told = []
    reporter = Warnings()
    reporter.note = told.append
    export_subset(pair, out=out, top="50%", reporter=reporter)
    assert len(told) == 2
    assert "w.far.h5" in told[1]
    assert "Data set: far" in told[1]


@pytest.fixture
def merged(tmp_path, root):
    """Scores of two sets whose ids differ by 1 but mean the same, merged, and once more."""
    shutil.copytree(root, tmp_path / "copy")
    for path in (tmp_path / "copy/labels").glob("*.png"):
        ids = np.array(Image.open(path))
        Image.fromarray(np.where(ids > 0, ids + 1, 0).astype(np.uint8)).save(path)
    shifted = IdMap("shifted", {8: 0, 9: 1}, frozenset({0, 255})).to_json()
    near = write_scores(tmp_path / "w.near.h5", root, **described("near"))
    far = write_scores(tmp_path / "w.far.h5", tmp_path / "copy", **described("far", id_map=shifted))
    merge([near, far], tmp_path / "merged.h5", root=tmp_path)
    shutil.copytree(root, tmp_path / "third")
    third = write_scores(tmp_path / "w.third.h5", tmp_path / "third", **described("third"))
    merge([tmp_path / "merged.h5", third], tmp_path / "twice.h5", root=tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["merged", "twice"])
def test_merged_scores_of_sets_with_other_ids_are_read_by_the_map_of_each(merged, name, out):
    path, start = merged / f"{name}.h5", "near+far/" if name == "twice" else ""
    export_subset(path, out=out, format="folder", by="region", top="70%")
    left, right = (slice(None), slice(0, 8)), (slice(None), slice(8, 16))
    for each in ("near", "far"):
        labels = [
            np.array(Image.open(out / f"labels/{start}{each}/images/{one}.png")) for one in "ac"
        ]
        assert (labels[0][left] == 0).all()
        assert (labels[1][right] == 1).all()
        assert (labels[0][right] == 255).all()
    with ScoreFile(path) as file:
        for each in ("near", "far"):
            assert file.label_map(f"{start}{each}/images/b")[4:, 0].tolist() == [255] * 4
            assert file.label_map(f"{start}{each}/images/b")[4:, 8].tolist() == [0] * 4


def test_merged_scores_of_sets_with_other_ids_are_masked_and_looked_at(merged, out, tmp_path):
    export_subset(merged / "merged.h5", out=out, by="region", count=4)
    ids = [np.array(Image.open(out / f"{each}/labels/a.png"))[0, 0] for each in ("data", "copy")]
    assert ids == [7, 8]
    source = SubsetSource(ScoreFile(merged / "merged.h5"), tmp_path)
    facts = look_at_scored(source, tmp_path, Warnings()).facts
    assert [each.label_path for each in facts] == source.texts("label_path").to_pylist()[:3] + (
        source.texts("label_path").to_pylist()[4:7]
    )
