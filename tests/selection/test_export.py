from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.errors import DataError, StoreError, UsageError
from curate.selection.export import export_subset
from tests.selection.making import (
    BLOCK_PX,
    CLASSES,
    edit,
    files,
    label_ids,
    left_beside,
    manifest,
    write_scores,
)


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
    assert (out / "labels/a.png").readlink() == Path("../../data/labels/a.png")


def test_subset_reads_as_a_data_set(tmp_path, scores, out):
    (tmp_path / "ids.toml").write_text('ignore = [0]\n[ids]\n7 = "road"\n8 = "sky"\n')
    export_subset(scores, out=out, by="region", count=1)
    source = open_dataset(out, id_map=str(tmp_path / "ids.toml"), classes=resolve_classes(CLASSES))
    (pair,) = source.pairs
    assert pair.id == "images/a"
    label_map = read_pair(source, pair).label_map
    assert label_map.tolist() == [[0] * 8 + [255] * 8] * 8


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


def test_folder_format_has_class_indices(scores, out):
    export_subset(scores, out=out, by="region", count=1, format="folder")
    with Image.open(out / "labels/a.png") as label:
        assert np.asarray(label)[::4, ::4].tolist() == [[0, 0, 255, 255], [0, 0, 255, 255]]
    assert (out / "images/a.png").is_symlink()


def test_list_format_points_to_finished_files(root, scores, out):
    export_subset(scores, out=out, by="region", count=1, format="list")
    assert (out / "images.txt").read_text() == "../data/images/a.png\n"
    assert (out / "labels.txt").read_text() == "labels/a.png\n"
    assert label_ids(out, "a") == [[0, 0, 255, 255], [0, 0, 255, 255]]


@pytest.mark.parametrize("path", ["subset.json", "manifest.csv"])
def test_image_cannot_pose_as_a_file_of_the_subset(root, scores, out, path):
    (root / path).touch()
    edit(scores, "images/image_path", 0, path)
    with pytest.raises(StoreError, match=r"cannot write .*File exists"):
        export_subset(scores, out=out, top="100%")
    assert not out.exists()


def test_existing_subset_needs_overwrite(scores, out):
    export_subset(scores, out=out, top="100%")
    with pytest.raises(UsageError, match="exists already: replace it with --overwrite"):
        export_subset(scores, out=out, count=1)
    export_subset(scores, out=out, count=1, overwrite=True)
    assert [path.name for path in (out / "images").iterdir()] == ["a.png"]


def test_users_files_in_a_subset_are_never_deleted(scores, out):
    export_subset(scores, out=out, count=1)
    (out / "labels" / "mine.png").write_text("precious")
    with pytest.raises(UsageError, match=r"added or removed.*It is not replaced"):
        export_subset(scores, out=out, count=2, overwrite=True)
    assert (out / "labels" / "mine.png").read_text() == "precious"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["original", "list"])
@pytest.mark.parametrize("name", [".a.png.partial", "a.png", ".a.png.partial-1-00000000-00000000"])
@pytest.mark.parametrize("media", ["symlink", "hardlink", "copy", "none"])
def test_masked_label_is_never_written_through_a_planted_link(
    tmp_path, root, scores, out, media, name, layout
):
    if layout == "list" and media not in ("symlink", "none"):
        return
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    if name != "a.png":
        (root / "labels" / name).symlink_to(victim)
    edit(scores, "images/image_path", 0, f"labels/{name}")
    with suppress(StoreError, DataError):
        export_subset(scores, out=out, by="region", top="100%", media=media, format=layout)
    assert victim.read_text() == "precious"
    assert (root / "labels" / "a.png").stat().st_size > 0


def test_train_ids_are_masked_as_the_label_beside_them(root, scores, out):
    train_ids = root / "labels/a_labelTrainIds.png"
    Image.fromarray(np.full((8, 16), 13, np.uint8)).save(train_ids)
    export_subset(scores, out=out, top="100%", by="region")
    export_subset(scores, out=out, threshold=0.5, by="region", overwrite=True)
    label, made = label_ids(out, "a"), label_ids(out, "a_labelTrainIds")
    assert label == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert made == [[13, 13, 255, 255], [13, 13, 255, 255]]


def test_names_as_long_as_the_disk_takes_are_exported(tmp_path, root, scores, out):
    name = "a" * 251 + ".png"
    for folder in ("images", "labels"):
        (root / folder / "a.png").rename(root / folder / name)
        edit(scores, f"images/{folder[:-1]}_path", 0, f"{folder}/{name}")
    export_subset(scores, out=out, by="region", top="100%")
    assert (out / "labels" / name).is_file()


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

    monkeypatch.setattr("curate.selection.manifest.write_manifest", fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else StoreError
    with pytest.raises(expected):
        export_subset(scores, out=out, top="100%", overwrite=True)
    assert (out / "manifest.csv").read_text() == before
    assert left_beside(out) == []


def test_killed_export_leaves_nothing_that_looks_finished(scores, out):
    code = """
        import os, signal, sys
        from pathlib import Path
        from curate.selection import manifest
        from curate.selection.export import export_subset
        manifest.write_record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        export_subset(Path(sys.argv[1]), out=Path(sys.argv[2]), top="100%")
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(scores), str(out)]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(left_beside(out)) == 1
    export_subset(scores, out=out, top="100%")
    assert left_beside(out) == []
