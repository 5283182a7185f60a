from __future__ import annotations

import csv
import errno
import json
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.idmaps import IdMap
from curate.data.reading import read_pair
from curate.errors import DataError, StoreError, UsageError
from curate.records import OK, Pair, RegionTable, ScoredImage
from curate.scores.packing import pack
from curate.scores.writer import ScoreWriter
from curate.selection.export import export_subset

ID_MAP = IdMap("toy", {7: 0, 8: 1}, frozenset({0, 255}))
CLASSES = ["road", "sky"]

# Blocks of 4x4 pixels; a cell of the maps is 2x2 blocks. Ids 7 and 8 have a class, 0 has none.
BLOCK, BLOCK_PX, STRIDE = 4, 16, 8
LABELS = {
    "images/a": [[7, 7, 8, 8], [7, 7, 8, 0]],
    "images/b": [[7, 7, 7, 7], [0, 0, 7, 7]],
    "images/c": [[8, 8, 8, 8], [8, 8, 8, 8]],
}
CELLS = {"images/a": [250, 10], "images/b": [100, 100], "images/c": [30, 200]}
VALID_BLOCKS = {"images/a": (4, 3), "images/b": (2, 4), "images/c": (4, 4)}
SCORES = {"images/a": 0.9, "images/b": 0.2, "images/c": 0.5}


def scored(image_id):
    valid = np.array(VALID_BLOCKS[image_id]) * BLOCK_PX
    cells = np.array([CELLS[image_id]], np.uint8)
    return ScoredImage(
        pair=Pair(image_id, f"{image_id}.png", image_id.replace("images", "labels") + ".png"),
        height=8,
        width=16,
        status=OK,
        message="",
        valid_px=int(valid.sum()),
        score=SCORES[image_id],
        image_score=1 - SCORES[image_id],
        region_score=0.5,
        pixel_score=0.5,
        class_px=np.array([0, 0]),
        class_score=np.array([0.0, 0.0]),
        pixel_scores=pack(cells),
        region_ids=pack(np.array([[0, 1]], np.uint16)),
        regions=RegionTable(
            class_id=np.zeros(2, np.int16),
            area_px=np.array([64, 64]),
            valid_px=valid,
            top=np.zeros(2, np.int32),
            left=np.array([0, 8], np.int32),
            bottom=np.full(2, 8, np.int32),
            right=np.array([8, 16], np.int32),
            score=cells[0] / 255,
        ),
    )


def broken():
    nan = float("nan")
    pair = Pair("images/z", "images/z.png", "")
    values = {"height": 0, "width": 0, "status": "missing_label", "message": "no label"}
    names = ("score", "image_score", "region_score", "pixel_score")
    numbers = {"valid_px": 0, **dict.fromkeys(names, nan)}
    arrays = {"class_px": np.zeros(2, np.int64), "class_score": np.full(2, nan)}
    return ScoredImage(pair=pair, **values, **numbers, **arrays)


def provenance(**changes):
    return {
        "dataset": {"layout": "folder", "labels": "toy"},
        "classes": {"name": "custom", "names": CLASSES},
        "id_map": ID_MAP.to_json(),
        "levels": ["image", "region", "pixel"],
        "stride": STRIDE,
    } | changes


def write_scores(out, root, images=None, **changes):
    settings = {"num_classes": 2, "stride": STRIDE, "dataset_root": root}
    table = provenance(**changes)
    with ScoreWriter(out, table, levels=table["levels"], **settings) as writer:
        writer.append([*map(scored, LABELS), broken()] if images is None else images)
        writer.finish()
    return out


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for image_id, ids in LABELS.items():
        image = root / f"{image_id}.png"
        label = root / f"{image_id.replace('images', 'labels')}.png"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 8)).save(image)
        blocks = np.array(ids, np.uint8)
        Image.fromarray(blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)).save(label)
    return root


@pytest.fixture
def scores(tmp_path, root):
    return write_scores(tmp_path / "w.h5", root)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "subset"


class Warnings:
    def __init__(self):
        self.texts = []

    def start(self, *_, **__):
        pass

    advance = finish = start

    def warn(self, message):
        self.texts.append(message)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def label_ids(folder, name):
    """One id a block."""
    with Image.open(folder / "labels" / f"{name}.png") as label:
        return np.asarray(label)[::BLOCK, ::BLOCK].tolist()


def manifest(out):
    with (out / "manifest.csv").open() as file:
        return {row["id"].removeprefix("images/"): row for row in csv.DictReader(file)}


def left_beside(out):
    return [path.name for path in out.parent.iterdir() if "partial" in path.name]


def test_best_images_are_linked_under_their_original_names(root, scores, out):
    result = export_subset(scores, out=out, top="67%")
    assert (result.selected, result.of, result.images_of) == (2, 3, 4)
    assert (result.pixels_kept, result.pixels_total) == (15 * BLOCK_PX, 21 * BLOCK_PX)
    assert files(out) == [
        "images/a.png",
        "images/c.png",
        "labels/a.png",
        "labels/c.png",
        "manifest.csv",
        "subset.json",
    ]
    assert (out / "labels/a.png").readlink() == root / "labels/a.png"


def test_subset_reads_as_a_data_set(tmp_path, scores, out):
    (tmp_path / "ids.toml").write_text('ignore = [0]\n[ids]\n7 = "road"\n8 = "sky"\n')
    export_subset(scores, out=out, by="region", count=1)
    source = open_dataset(out, labels=str(tmp_path / "ids.toml"), classes=resolve_classes(CLASSES))
    (pair,) = source.pairs
    assert pair.id == "images/a"
    label_map = read_pair(source, pair).label_map
    assert label_map.tolist() == [[0] * 8 + [255] * 8] * 8


def test_other_columns_can_rank(scores, out):
    result = export_subset(scores, out=out, count=1, rank_by="image_score")
    assert (result.selected, result.rank_by) == (1, "image_score")
    row = manifest(out)["b"]
    assert (row["selected"], row["score"], row["rank"]) == ("True", "0.8", "1")
    assert row["rank_by"] == "image_score"


STREAMS = {"streams": ["planted", "mute"]}
CORRUPTION = {"images/a": [20, 30], "images/b": [210, 40], "images/c": [220, 230]}


def with_streams(image_id):
    """The streams rank in another order: c, b, a."""
    image, cells = scored(image_id), np.array([CORRUPTION[image_id]], np.uint8)
    own = {"planted": cells[0] / 255, "mute": np.full(2, np.nan)}
    return replace(
        image,
        streams={name: float(values.mean()) for name, values in own.items()},
        stream_scores={"planted": pack(cells)},
        regions=replace(image.regions, streams=own),
    )


@pytest.fixture
def explained(tmp_path, root):
    """A score file with the maps of a stream that speaks and of one that is silent."""
    images = [*map(with_streams, LABELS), broken()]
    return write_scores(tmp_path / "w.h5", root, images, **STREAMS, stream_maps=True)


def test_stream_ranks_images(explained, out):
    result = export_subset(explained, out=out, count=1, rank_by="planted")
    rows = manifest(out)
    assert [rows[name]["selected"] for name in "abcz"] == ["False", "False", "True", "False"]
    assert [rows[name]["rank"] for name in "abcz"] == ["3", "2", "1", ""]
    assert float(rows["c"]["score"]) == pytest.approx(225 / 255)
    assert {row["rank_by"] for row in rows.values()} == {"planted"}
    assert result.to_json()["rank_by"] == "planted"
    record = json.loads((out / "subset.json").read_text())
    assert record["settings"]["rank_by"] == record["result"]["rank_by"] == "planted"
    assert export_subset(explained, out=out, count=1, overwrite=True).rank_by == "score"
    assert manifest(out)["a"]["selected"] == "True"


def test_stream_ranks_regions(explained, out):
    result = export_subset(explained, out=out, by="region", count=3, rank_by="planted")
    assert (result.selected, result.of, result.images_selected) == (3, 6, 2)
    assert label_ids(out, "b") == [[7, 7, 255, 255], [0, 0, 255, 255]]
    assert label_ids(out, "c") == [[8, 8, 8, 8], [8, 8, 8, 8]]


def test_stream_ranks_regions_of_each_class(explained, out):
    with h5py.File(explained, "a") as file:  # left regions are of class 0, right ones of class 1
        file["regions/class_id"][:] = [0, 1, 0, 1, 0, 1]
    wanted = {"by": "region", "per_class": True, "pixels": 4 * BLOCK_PX + 1}
    result = export_subset(explained, out=out, rank_by="planted", **wanted)
    assert result.selected == 4
    assert label_ids(out, "b") == LABELS["images/b"]
    assert label_ids(out, "c") == LABELS["images/c"]


def test_stream_ranks_pixels(explained, out):
    # Blocks by level: c 4 at 230 and 4 at 220, b 2 at 210, b 4 at 40, a 3 at 30, a 4 at 20.
    result = export_subset(explained, out=out, by="pixel", count=9 * BLOCK_PX, rank_by="planted")
    assert (result.pixels_kept, result.pixels_total) == (9 * BLOCK_PX, 21 * BLOCK_PX)
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["0", "16", "128", "0"]
    # class 0 is in a and b, class 1 in a and c
    wanted = {"by": "pixel", "per_class": True, "count": 2 * BLOCK_PX}
    export_subset(explained, out=out, rank_by="planted", overwrite=True, **wanted)
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["0", "32", "32", "0"]


def test_threshold_is_that_of_the_stream(explained, out):
    with pytest.raises(UsageError, match=r"the best image has a score of 0\.8824"):
        export_subset(explained, out=out, threshold=0.9, rank_by="planted")
    wanted = {"by": "pixel", "rank_by": "planted"}
    result = export_subset(explained, out=out, threshold=0.8, **wanted)
    assert result.pixels_kept == 10 * BLOCK_PX


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"rank_by": "plant"}, r"pixel_score, planted, mute\. Did you mean 'planted'\?"),
        ({"rank_by": "stream_planted"}, "Did you mean 'planted'"),
        ({"rank_by": "mute"}, "stream is silent in .*w.h5"),
        ({"rank_by": "mute", "by": "region"}, "stream is silent"),
        ({"rank_by": "mute", "by": "pixel"}, "stream is silent"),
        ({"rank_by": "planted", "per_class": True}, "use --by region or --by pixel"),
    ],
)
def test_streams_that_cannot_rank_are_refused(explained, out, arguments, text):
    with pytest.raises(UsageError, match=text):
        export_subset(explained, out=out, top="50%", **arguments)
    assert not out.exists()


def test_pixels_need_the_maps_of_the_stream(tmp_path, root, out):
    path = write_scores(tmp_path / "w.h5", root, [*map(with_streams, LABELS)], **STREAMS)
    with pytest.raises(UsageError, match=r"no maps of streams, .* score again with --stream-maps"):
        export_subset(path, out=out, by="pixel", top="50%", rank_by="planted")
    assert export_subset(path, out=out, by="region", count=1, rank_by="planted").selected == 1


def test_regions_not_selected_are_ignored_in_new_labels(root, scores, out):
    result = export_subset(scores, out=out, by="region", top="50%")
    assert (result.selected, result.of, result.images_selected) == (3, 6, 3)
    assert (result.pixels_kept, result.pixels_total) == (10 * BLOCK_PX, 21 * BLOCK_PX)
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert label_ids(out, "b") == [[7, 7, 255, 255], [0, 0, 255, 255]]
    assert label_ids(out, "c") == [[255, 255, 8, 8], [255, 255, 8, 8]]
    assert label_ids(root, "a") == LABELS["images/a"]
    assert not (out / "labels/a.png").is_symlink()
    assert (out / "images/a.png").is_symlink()


def test_images_without_a_selected_region_are_left_out(scores, out):
    export_subset(scores, out=out, by="region", threshold=0.7)
    assert sorted(path.name for path in (out / "images").iterdir()) == ["a.png", "c.png"]
    assert manifest(out)["b"]["reason"] == "no_region_selected"
    assert manifest(out)["a"]["kept_px"] == "64"


def test_pixel_quota_counts_valid_pixels_of_the_originals(scores, out):
    # Blocks by level: a 4 at 250, c 4 at 200, b 6 at 100, c 4 at 30, a 3 at 10.
    result = export_subset(scores, out=out, by="pixel", count=8 * 16 + 20)
    assert (result.selected, result.of) == (3, 3)
    assert (result.pixels_kept, result.pixels_total) == (148, 21 * BLOCK_PX)
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert label_ids(out, "c") == [[255, 255, 8, 8], [255, 255, 8, 8]]
    with Image.open(out / "labels/b.png") as label:
        assert np.asarray(label)[:3].tolist() == [[7] * 16, [7] * 4 + [255] * 12, [255] * 16]
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["64", "20", "64", "0"]


def test_pixel_share_is_exact(scores, out):
    assert export_subset(scores, out=out, by="pixel", top="50%").pixels_kept == 168


def test_images_are_kept_until_the_pixels_are_reached(scores, out):
    # In order of their scores: a has 7 blocks, c 8, b 6.
    for pixels, kept in ((1, "a"), (7 * BLOCK_PX, "a"), (7 * BLOCK_PX + 1, "ac")):
        result = export_subset(scores, out=out, pixels=pixels, overwrite=True)
        rows = manifest(out)
        assert [name for name in "abcz" if rows[name]["selected"] == "True"] == list(kept)
    assert (result.selected, result.pixels_kept) == (2, 15 * BLOCK_PX)


def test_regions_are_kept_until_the_pixels_are_reached(scores, out):
    # By score: a left (4 blocks), c right (4), b left (2), b right (4), ..
    result = export_subset(scores, out=out, by="region", pixels=8 * BLOCK_PX + 1)
    assert (result.selected, result.pixels_kept) == (3, 10 * BLOCK_PX)


def test_pixels_are_kept_to_the_very_number(scores, out):
    assert export_subset(scores, out=out, by="pixel", pixels=100).pixels_kept == 100


def test_pixels_beyond_what_is_there_keep_all_and_say_so(scores, out):
    warnings = Warnings()
    assert export_subset(scores, out=out, pixels=10**6, reporter=warnings).selected == 3
    assert warnings.texts == ["--pixels 1000000: only 336 have a score; all of them are kept."]


def with_classes(path, **columns):
    """Change the columns of a, b and c that tell about classes."""
    with h5py.File(path, "a") as file:
        for name, values in columns.items():
            file[f"images/{name}"][:3] = values
    return path


def test_images_per_class_are_the_best_for_a_class_they_show(scores, out):
    nan = np.nan
    # a shows class 0 only, b both, c class 1 only; one of two is kept for each class.
    path = with_classes(scores, class_score=[[0.3, nan], [0.6, 0.2], [nan, 0.1]])
    result = export_subset(path, out=out, per_class=True, top="50%")
    assert (result.selected, result.of) == (1, 3)
    assert manifest(out)["b"]["selected"] == "True"
    path = with_classes(scores, class_score=[[0.3, nan], [0.2, 0.2], [nan, 0.9]])
    export_subset(path, out=out, per_class=True, count=1, overwrite=True)
    rows = manifest(out)
    assert [rows[name]["selected"] for name in "abcz"] == ["True", "False", "True", "False"]
    assert rows["b"]["reason"] == "below_cut"


def test_pixels_per_class_count_those_of_the_class(scores, out):
    nan = np.nan
    path = with_classes(
        scores,
        class_score=[[0.9, nan], [0.6, 0.8], [nan, 0.1]],
        class_px=[[40, 0], [30, 50], [0, 9]],
    )
    # Class 0 takes a and b for 41 pixels; class 1 has 50 with b alone.
    result = export_subset(path, out=out, per_class=True, pixels=41)
    assert (result.selected, manifest(out)["c"]["selected"]) == (2, "False")


def test_failed_image_is_not_kept_for_a_class(scores, out):
    path = with_classes(scores, class_score=[[0.9, 0.9], [0.6, 0.8], [0.1, 0.1]])
    with h5py.File(path, "a") as file:
        file["images/status"][0] = "unreadable_image"
    export_subset(path, out=out, per_class=True, count=1)
    assert [manifest(out)[name]["selected"] for name in "abc"] == ["False", "True", "False"]


def test_regions_per_class_are_the_best_of_each(scores, out):
    with h5py.File(scores, "a") as file:  # left regions are of class 0, right ones of class 1
        file["regions/class_id"][:] = [0, 1, 0, 1, 0, 1]
    result = export_subset(scores, out=out, by="region", per_class=True, count=1)
    assert (result.selected, result.of) == (2, 6)
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert label_ids(out, "c") == [[255, 255, 8, 8], [255, 255, 8, 8]]
    assert manifest(out)["b"]["selected"] == "False"


def test_pixels_per_class_are_the_best_of_each(scores, out):
    # Blocks of class 0: a 4 at 250, b 2 at 100 left and 4 at 100 right. Class 1: a 3 at 10,
    # c 4 at 200 and 4 at 30. Half of 10 and half of 11 blocks.
    result = export_subset(scores, out=out, by="pixel", per_class=True, top="50%")
    assert (result.pixels_kept, result.pixels_total) == (5 * 16 + 88, 21 * BLOCK_PX)
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["64", "16", "88", "0"]
    with Image.open(out / "labels/b.png") as label:
        assert np.asarray(label)[:2].tolist() == [[7] * 16, [255] * 16]


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("by", ["image", "region", "pixel"])
def test_dry_run_tells_the_same_and_writes_nothing(tmp_path, scores, out, by, per_class):
    before = files(tmp_path)
    wanted = {"out": out, "by": by, "per_class": per_class, "top": "40%"}
    told = export_subset(scores, **wanted, dry_run=True)
    assert files(tmp_path) == before
    assert told.dry_run
    assert replace(told, dry_run=False) == export_subset(scores, **wanted)


def test_manifest_says_why_each_image_is_in_or_out(scores, out):
    export_subset(scores, out=out, count=1)
    rows = manifest(out)
    assert {name: row["reason"] for name, row in rows.items()} == {
        "a": "selected",
        "b": "below_cut",
        "c": "below_cut",
        "z": "missing_label",
    }
    assert {name: row["rank"] for name, row in rows.items()} == {
        "a": "1", "b": "3", "c": "2", "z": "",
    }  # fmt: skip
    assert rows["z"]["score"] == ""
    assert rows["a"]["label_path"] == "labels/a.png"


def test_record_says_where_the_subset_comes_from(root, scores, out):
    export_subset(scores, out=out, top="50%")
    record = json.loads((out / "subset.json").read_text())
    assert (record["format"], record["format_version"]) == ("curate-subset", 1)
    assert record["scores"] == str(scores)
    assert record["dataset_root"] == str(root)
    assert record["settings"]["top"] == 0.5
    assert record["provenance"]["classes"]["names"] == CLASSES
    assert record["result"]["selected"] == 2


@pytest.mark.parametrize("media", ["symlink", "hardlink", "copy", "none"])
def test_media_decide_how_images_get_there(root, scores, out, media):
    export_subset(scores, out=out, count=1, media=media)
    image = out / "images/a.png"
    assert image.exists() == (media != "none")
    assert image.is_symlink() == (media == "symlink")
    assert (media in {"symlink", "hardlink"}) == (
        image.exists() and image.samefile(root / "images/a.png")
    )


def test_media_none_looks_at_no_file(tmp_path, scores, out, root):
    root.rename(tmp_path / "moved")
    result = export_subset(scores, out=out, top="100%", media="none")
    assert (result.selected, result.bytes) == (3, None)
    assert files(out) == ["manifest.csv", "subset.json"]
    export_subset(scores, out=out, top="100%", media="none", format="list", overwrite=True)
    assert (out / "images.txt").read_text().splitlines()[1] == f"{root}/images/b.png"


@pytest.mark.parametrize("by", ["region", "pixel"])
def test_media_none_reads_only_labels_that_it_rewrites(scores, out, root, by):
    for name in "abc":
        (root / f"images/{name}.png").unlink()
    export_subset(scores, out=out, by=by, top="100%", media="none")
    assert files(out)[:3] == ["labels/a.png", "labels/b.png", "labels/c.png"]
    (root / "labels/b.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 3 files .* missing: .*labels/b\.png"):
        export_subset(scores, out=out, by=by, top="100%", media="none", overwrite=True)


def test_path_that_leads_out_is_refused_even_if_no_file_is_touched(scores, out):
    with h5py.File(scores, "a") as file:
        file["images/label_path"][1] = "../secret.png"
    with pytest.raises(StoreError, match="leads out of the data set"):
        export_subset(scores, out=out, count=1, media="none")
    assert not out.exists()


def test_whole_images_are_chosen_without_torch_and_pandas(scores, out):
    code = """
        import sys
        from curate.selection.export import export_subset
        export_subset(sys.argv[1], out=sys.argv[2], top="100%")
        print({"torch", "pandas"} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(scores), str(out)]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_folder_format_has_class_indices(scores, out):
    export_subset(scores, out=out, by="region", count=1, format="folder")
    with Image.open(out / "labels/images/a.png") as label:
        assert np.asarray(label)[::4, ::4].tolist() == [[0, 0, 255, 255], [0, 0, 255, 255]]
    assert (out / "images/images/a.png").is_symlink()


def test_list_format_points_to_finished_files(root, scores, out):
    export_subset(scores, out=out, by="region", count=1, format="list")
    assert (out / "images.txt").read_text() == f"{root}/images/a.png\n"
    assert (out / "labels.txt").read_text() == f"{out}/labels/a.png\n"
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "give exactly one of"),
        ({"top": "30"}, "write 30% or 0.3"),
        ({"top": "50%", "by": "class"}, "--by class is not known: use one of image, region, pixel"),
        ({"top": "50%", "media": "move"}, "--media move is not known"),
        ({"top": "50%", "format": "coco"}, "--format coco is not known: use one of original"),
        (
            {"top": "50%", "rank_by": "height"},
            r"--rank-by height is not among .* for --by image: use one of score, image_score, reg",
        ),
        (
            {"top": "50%", "rank_by": "imagescore"},
            "region_score, pixel_score. Did you mean 'image_score'?",
        ),
        (
            {"top": "50%", "by": "pixel", "rank_by": "image_score"},
            r"rank-by image_score is not among .* for --by pixel: use one of score\.",
        ),
        ({"top": "50%", "format": "list", "media": "copy"}, "contradicts --media copy"),
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


def test_count_beyond_what_is_there_keeps_all_and_says_so(scores, out):
    warnings = Warnings()
    assert export_subset(scores, out=out, count=9, reporter=warnings).selected == 3
    assert warnings.texts == ["--count 9: only 3 have a score; all of them are kept."]


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


def test_moved_data_set_is_found_with_a_flag(tmp_path, root, scores, out):
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"is not at .*data\. Name the folder .* with --dataset"):
        export_subset(scores, out=out, top="50%")
    assert not out.exists()
    export_subset(scores, out=out, top="50%", dataset=tmp_path / "moved")
    assert (out / "images/a.png").readlink() == tmp_path / "moved/images/a.png"


@pytest.mark.parametrize("by", ["image", "region", "pixel"])
def test_vanished_files_are_counted_before_anything_is_written(root, scores, out, by):
    (root / "images/a.png").unlink()
    (root / "labels/a.png").unlink()
    with pytest.raises(DataError, match=r"2 of the \d files .* are missing: .*images/a\.png"):
        export_subset(scores, out=out, by=by, count=1)
    assert not out.exists()
    assert left_beside(out) == []


def test_label_of_another_size_is_refused(root, scores, out):
    Image.new("L", (9, 9), 7).save(root / "labels/c.png")
    with pytest.raises(DataError, match=r"labels/c\.png has 9x9 pixels, but had 8x16 when"):
        export_subset(scores, out=out, by="pixel", top="50%")
    with pytest.raises(DataError):
        export_subset(scores, out=out, by="region", top="100%")
    assert not out.exists()
    assert left_beside(out) == []


def test_changed_data_set_is_warned_of(tmp_path, root, out):
    source = open_dataset(root, classes=resolve_classes(CLASSES))
    dataset = {"layout": "folder", "images": 3, "fingerprint": source.fingerprint()}
    path = write_scores(tmp_path / "f.h5", root, [*map(scored, LABELS)], dataset=dataset)
    warnings = Warnings()
    export_subset(path, out=out, top="50%", reporter=warnings)
    assert warnings.texts == []
    with (root / "images/b.png").open("ab") as file:
        file.write(b"0")
    export_subset(path, out=out, top="50%", reporter=warnings, overwrite=True)
    assert "is not as it was when it was scored" in warnings.texts[0]


@pytest.mark.parametrize("column", ["image_path", "label_path"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "images/../../x.png"])
def test_hostile_paths_are_refused(tmp_path, scores, out, column, path):
    (tmp_path / "secret.png").touch()
    with h5py.File(scores, "a") as file:
        file[f"images/{column}"][0] = path
    for by in ("image", "region", "pixel"):
        with pytest.raises(StoreError, match="leads out of the data set"):
            export_subset(scores, out=out, by=by, top="100%", media="copy")
    assert not out.exists()


@pytest.mark.parametrize("path", ["subset.json", "manifest.csv"])
def test_image_cannot_pose_as_a_file_of_the_subset(root, scores, out, path):
    (root / path).touch()
    with h5py.File(scores, "a") as file:
        file["images/image_path"][0] = path
    with pytest.raises(StoreError, match=r"cannot write .*File exists"):
        export_subset(scores, out=out, top="100%")
    assert not out.exists()


def test_map_with_unknown_regions_is_refused(scores, out):
    with h5py.File(scores, "a") as file:
        file["region_ids/images/a"][:] = 60_000
    with pytest.raises(StoreError, match="names regions that its table does not have"):
        export_subset(scores, out=out, by="region", top="100%")


@pytest.mark.parametrize("by", ["image", "region", "pixel"])
def test_failed_image_is_never_selected_whatever_its_numbers_say(scores, out, by):
    with h5py.File(scores, "a") as file:
        file["images/status"][0] = "unreadable_image"
    result = export_subset(scores, out=out, by=by, top="100%")
    assert result.images_selected == 2
    assert manifest(out)["a"]["reason"] == "unreadable_image"
    assert manifest(out)["a"]["selected"] == "False"


def test_existing_subset_needs_overwrite(scores, out):
    export_subset(scores, out=out, top="100%")
    with pytest.raises(UsageError, match="exists already: replace it with --overwrite"):
        export_subset(scores, out=out, count=1)
    export_subset(scores, out=out, count=1, overwrite=True)
    assert [path.name for path in (out / "images").iterdir()] == ["a.png"]


def test_foreign_folder_is_never_replaced(scores, out):
    out.mkdir()
    (out / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is no subset of curate"):
        export_subset(scores, out=out, top="100%", overwrite=True)
    assert files(out) == ["thesis.tex"]


def test_subset_of_a_subset_cannot_replace_its_source(tmp_path, scores, out):
    export_subset(scores, out=out, top="100%", media="copy")
    path = write_scores(tmp_path / "v.h5", out)
    with pytest.raises(UsageError, match="contains the data set"):
        export_subset(path, out=out, count=1, overwrite=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_interrupted_export_leaves_the_old_subset(scores, out, monkeypatch, error):
    export_subset(scores, out=out, count=1)
    before = (out / "manifest.csv").read_text()

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("curate.selection.export.write_manifest", fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else StoreError
    with pytest.raises(expected):
        export_subset(scores, out=out, top="100%", overwrite=True)
    assert (out / "manifest.csv").read_text() == before
    assert left_beside(out) == []


def test_killed_export_leaves_nothing_that_looks_finished(scores, out):
    code = """
        import os, signal, sys
        from pathlib import Path
        import curate.selection.export as export
        export.write_record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        export.export_subset(Path(sys.argv[1]), out=Path(sys.argv[2]), top="100%")
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(scores), str(out)]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(left_beside(out)) == 1
    export_subset(scores, out=out, top="100%")
    assert left_beside(out) == []
