from __future__ import annotations

import json

import h5py
import pytest

from curate.errors import StoreError, UsageError
from curate.selection.export import export_subset
from tests.selection.making import (
    BLOCK_PX,
    LABELS,
    STREAMS,
    label_ids,
    manifest,
    with_streams,
    write_scores,
)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "give exactly one of"),
        ({"top": "30"}, "write 30% or 0.3"),
        ({"top": "50%", "by": "class"}, "--by class is not known: use one of image, region, pixel"),
        ({"top": "50%", "media": "move"}, "--media move is not known"),
        ({"top": "50%", "format": "dali"}, "--format dali is not known: use one of original"),
        (
            {"top": "50%", "rank_by": "height"},
            r"--rank-by height is not among .* for --by image: use one of score, image_score, reg",
        ),
        (
            {"top": "50%", "rank_by": "imagescore"},
            "region_weight, pixel_weight. Did you mean 'image_score'?",
        ),
        (
            {"top": "50%", "by": "pixel", "rank_by": "image_score"},
            r"rank-by image_score is not among .* for --by pixel: use one of score, weight\.",
        ),
        ({"top": "50%", "format": "list", "media": "copy"}, "does not go with --media copy"),
        ({"top": "50%", "pixels": 3}, "--top and --pixels given"),
        (
            {"top": "50%", "per_class": True, "rank_by": "image_score"},
            "not available for images --per",
        ),
        ({"threshold": 0.5, "per_class": True, "by": "region"}, "keeps the same regions with and"),
        ({"threshold": 0.95}, r"selects nothing: the best image has a score of 0\.9000"),
        ({"threshold": 0.99, "by": "pixel"}, r"the best pixel has a score of 0\.9804"),
    ],
)
def test_requests_that_make_no_sense_are_refused(scores, out, arguments, text):
    with pytest.raises(UsageError, match=text):
        export_subset(scores, out=out, **arguments)
    assert not out.exists()


def test_levels_that_were_not_scored_cannot_be_selected_by(tmp_path, root, out):
    path = write_scores(tmp_path / "i.h5", root, levels=["image"])
    with pytest.raises(UsageError, match=r"has no region maps \(levels: image\)"):
        export_subset(path, out=out, by="region", top="50%")
    tables = write_scores(tmp_path / "t.parquet", root)
    with pytest.raises(UsageError, match="has no pixel maps"):
        export_subset(tables, out=out, by="pixel", top="50%")
    assert export_subset(tables, out=out, top="50%").selected == 2


def test_labels_cannot_be_rewritten_without_their_id_map(tmp_path, root, out):
    path = write_scores(tmp_path / "n.h5", root, id_map={"name": "x", "ids": {"7": 400}})
    with pytest.raises(StoreError, match="does not say how to read labels"):
        export_subset(path, out=out, by="region", top="50%")
    assert export_subset(path, out=out, top="50%").selected == 2


def test_stream_ranks_images(explained, out):
    result = export_subset(explained, out=out, count=1, rank_by="corruption")
    rows = manifest(out)
    assert [rows[name]["selected"] for name in "abcz"] == ["False", "False", "True", "False"]
    assert [rows[name]["rank"] for name in "abcz"] == ["3", "2", "1", ""]
    assert float(rows["c"]["score"]) == pytest.approx(225 / 255)
    assert {row["rank_by"] for row in rows.values()} == {"corruption"}
    assert result.to_json()["rank_by"] == "corruption"
    record = json.loads((out / "subset.json").read_text())
    assert record["settings"]["rank_by"] == record["result"]["rank_by"] == "corruption"
    again = export_subset(
        explained, out=out, count=1, rank_by="stream_corruption", overwrite=True
    )  # the column's own name
    assert again.rank_by == "corruption"
    assert manifest(out) == rows
    assert export_subset(explained, out=out, count=1, overwrite=True).rank_by == "score"
    assert manifest(out)["a"]["selected"] == "True"


def test_stream_ranks_regions(explained, out):
    result = export_subset(explained, out=out, by="region", count=3, rank_by="corruption")
    assert (result.selected, result.of, result.images_selected) == (3, 6, 2)
    assert label_ids(out, "b") == [[7, 7, 255, 255], [0, 0, 255, 255]]
    assert label_ids(out, "c") == [[8, 8, 8, 8], [8, 8, 8, 8]]


def test_stream_ranks_regions_of_each_class(explained, out):
    with h5py.File(explained, "a") as file:  # left regions are of class 0, right ones of class 1
        file["regions/class_id"][:] = [0, 1, 0, 1, 0, 1]
    wanted = {"by": "region", "per_class": True, "pixels": 4 * BLOCK_PX + 1}
    result = export_subset(explained, out=out, rank_by="corruption", **wanted)
    assert result.selected == 4
    assert label_ids(out, "b") == LABELS["images/b"]
    assert label_ids(out, "c") == LABELS["images/c"]


def test_stream_ranks_pixels(explained, out):
    # Blocks by level: c 4 at 230 and 4 at 220, b 2 at 210, b 4 at 40, a 3 at 30, a 4 at 20.
    result = export_subset(explained, out=out, by="pixel", count=9 * BLOCK_PX, rank_by="corruption")
    assert (result.pixels_kept, result.pixels_total) == (9 * BLOCK_PX, 21 * BLOCK_PX)
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["0", "16", "128", "0"]
    # class 0 is in a and b, class 1 in a and c
    wanted = {"by": "pixel", "per_class": True, "count": 2 * BLOCK_PX}
    export_subset(explained, out=out, rank_by="corruption", overwrite=True, **wanted)
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["0", "32", "32", "0"]


def test_threshold_is_that_of_the_stream(explained, out):
    with pytest.raises(UsageError, match=r"the best image has a score of 0\.8824"):
        export_subset(explained, out=out, threshold=0.9, rank_by="corruption")
    wanted = {"by": "pixel", "rank_by": "corruption"}
    result = export_subset(explained, out=out, threshold=0.8, **wanted)
    assert result.pixels_kept == 10 * BLOCK_PX


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"rank_by": "corupt"}, r"pixel_weight, corruption, idle\. Did you mean 'corruption'\?"),
        ({"rank_by": "idle"}, "stream is inactive in .*w.h5"),
        ({"rank_by": "idle", "by": "region"}, "stream is inactive"),
        ({"rank_by": "idle", "by": "pixel"}, "stream is inactive"),
        ({"rank_by": "corruption", "per_class": True}, "use --by region or --by pixel"),
    ],
)
def test_streams_that_cannot_rank_are_refused(explained, out, arguments, text):
    with pytest.raises(UsageError, match=text):
        export_subset(explained, out=out, top="50%", **arguments)
    assert not out.exists()


def test_pixels_need_the_maps_of_the_stream(tmp_path, root, out):
    path = write_scores(tmp_path / "w.h5", root, [*map(with_streams, LABELS)], **STREAMS)
    with pytest.raises(UsageError, match=r"no maps of streams, .* score again with --stream-maps"):
        export_subset(path, out=out, by="pixel", top="50%", rank_by="corruption")
    assert export_subset(path, out=out, by="region", count=1, rank_by="corruption").selected == 1
