from __future__ import annotations

import pytest
from PIL import Image

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.errors import DataError, StoreError
from curate.selection.export import export_subset
from tests.selection.making import (
    CLASSES,
    LABELS,
    Warnings,
    edit,
    files,
    left_beside,
    scored,
    write_scores,
)


def test_media_none_looks_at_no_file(tmp_path, scores, out, root):
    root.rename(tmp_path / "moved")
    result = export_subset(scores, out=out, top="100%", media="none")
    assert (result.selected, result.bytes) == (3, None)
    assert files(out) == ["manifest.csv", "subset.json"]
    as_list = {"format": "list", "label_ids": "raw", "overwrite": True}
    export_subset(scores, out=out, top="100%", media="none", **as_list)
    assert (out / "images.txt").read_text().splitlines()[1] == "../data/images/b.png"


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
    edit(scores, "images/label_path", 1, "../secret.png")
    with pytest.raises(StoreError, match="leads out of the data set"):
        export_subset(scores, out=out, count=1, media="none")
    assert not out.exists()


@pytest.mark.parametrize("column", ["image_path", "label_path"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "images/../../x.png"])
def test_hostile_paths_are_refused(tmp_path, scores, out, column, path):
    (tmp_path / "secret.png").touch()
    edit(scores, f"images/{column}", 0, path)
    for by in ("image", "region", "pixel"):
        with pytest.raises(StoreError, match="leads out of the data set"):
            export_subset(scores, out=out, by=by, top="100%", media="copy")
    assert not out.exists()


def test_moved_data_set_is_found_with_a_flag(tmp_path, root, scores, out):
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"is not at .*data\. Name the folder .* with --dataset"):
        export_subset(scores, out=out, top="50%")
    assert not out.exists()
    export_subset(scores, out=out, top="50%", dataset=tmp_path / "moved")
    assert (out / "images/a.png").samefile(tmp_path / "moved/images/a.png")


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
