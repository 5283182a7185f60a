"""Several data sets cut as if they were one, into one subset."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from curate.errors import StoreError, UsageError
from curate.selection.export import export_subset
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
