from __future__ import annotations

import csv
import errno
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.errors import StoreError
from curate.selection.formats import FORMATS
from curate.selection.manifest import COLUMNS, write_manifest
from curate.selection.media import MEDIA
from curate.selection.paths import join_inside
from curate.selection.placement import Placement, SubsetItem
from curate.selection.record import is_subset, write_record


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    for path in ("x/a.jpg", "y/a.png"):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(path)
    return root


def placement(tmp_path, media="symlink"):
    folder = tmp_path / "aside"
    folder.mkdir(exist_ok=True)
    return Placement(
        folder=folder,
        final=tmp_path / "out",
        media=media,
        write_masked_label=lambda source, target, keep: target.write_text(f"{source.name} {keep}"),
        read_label_map=lambda source: np.array([[0, 1, 255]], np.uint8),
    )


def item(data, keep=None):
    return SubsetItem("x/a", f"{data}/x/a.jpg", f"{data}/y/a.png", "x/a.jpg", "y/a.png", keep)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.mark.parametrize("media", MEDIA)
def test_media_put_the_original_in_place(tmp_path, data, media):
    target = tmp_path / "t"
    MEDIA[media](str(data / "x/a.jpg"), str(target))
    assert target.exists() == (media != "none")
    if media != "none":
        assert target.read_text() == "x/a.jpg"
    assert target.is_symlink() == (media == "symlink")
    if media == "symlink":
        assert target.readlink() == data / "x/a.jpg"
    if media == "hardlink":
        assert target.samefile(data / "x/a.jpg")
    if media == "copy":
        target.write_text("changed")
        assert (data / "x/a.jpg").read_text() == "x/a.jpg"


@pytest.mark.parametrize(
    ("media", "method", "text"),
    [
        ("hardlink", "link", "--media hardlink: .* different disks. Use --media symlink or"),
        ("symlink", "symlink", "--media symlink: .* different disks. Use --media copy"),
    ],
)
def test_link_that_the_disk_refuses_names_another_medium(
    tmp_path, data, monkeypatch, media, method, text
):
    def fail(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(f"os.{method}", fail)
    with pytest.raises(StoreError, match=text):
        MEDIA[media](str(data / "x/a.jpg"), str(tmp_path / "t"))


@pytest.mark.parametrize("path", ["", "/etc/x", "../x", "a/../b", "a//b", ".", "a/.", "a\0b"])
def test_paths_that_lead_out_are_refused(tmp_path, path):
    with pytest.raises(StoreError, match="leads out of the data set"):
        join_inside(tmp_path, path)


@pytest.mark.parametrize("media", ["symlink", "hardlink"])
def test_links_lead_to_the_file_itself_and_not_to_another_link(tmp_path, data, media):
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "a.jpg").symlink_to(data / "x/a.jpg")
    (tmp_path / "door").symlink_to(tmp_path / "again")
    MEDIA[media](f"{tmp_path}/door/a.jpg", f"{tmp_path}/t")
    assert (tmp_path / "t").samefile(data / "x/a.jpg")
    if media == "symlink":
        assert (tmp_path / "t").readlink() == data / "x/a.jpg"
    else:
        assert not (tmp_path / "t").is_symlink()


@pytest.mark.parametrize("media", ["symlink", "hardlink", "copy"])
def test_only_new_content_is_noted_for_the_disk(tmp_path, data, media):
    place = placement(tmp_path, media)
    place.place(f"{data}/x/a.jpg", "x/a.jpg")
    assert place.written == ([place.folder / "x/a.jpg"] if media == "copy" else [])
    assert place.new_file("y/b.png") in place.written
    with pytest.raises(StoreError, match="would both be"):
        place.place(f"{data}/y/a.png", "x/a.jpg")
    assert (place.folder / "x/a.jpg").read_text() == "x/a.jpg"


def test_original_format_keeps_names(tmp_path, data):
    place = placement(tmp_path)
    FORMATS["original"](place).add(item(data))
    assert files(place.folder) == ["x/a.jpg", "y/a.png"]
    assert (place.folder / "y/a.png").read_text() == "y/a.png"


def test_original_format_writes_masked_labels(tmp_path, data):
    place = placement(tmp_path)
    FORMATS["original"](place).add(item(data, keep=np.array([[True]])))
    assert not (place.folder / "y/a.png").is_symlink()
    assert (place.folder / "y/a.png").read_text() == "a.png [[ True]]"
    assert (data / "y/a.png").read_text() == "y/a.png"


@pytest.mark.parametrize(
    ("keep", "expected"), [(None, [0, 1, 255]), ([[True, False, True]], [0, 255, 255])]
)
def test_folder_format_writes_class_indices(tmp_path, data, keep, expected):
    place = placement(tmp_path)
    mask = None if keep is None else np.array(keep)
    FORMATS["folder"](place).add(item(data, mask))
    assert files(place.folder) == ["images/x/a.jpg", "labels/x/a.png"]
    with Image.open(place.folder / "labels/x/a.png") as label:
        assert label.mode == "L"
        assert np.asarray(label).tolist() == [expected]


def test_list_format_names_originals_and_rewritten_labels(tmp_path, data):
    place = placement(tmp_path)
    subset = FORMATS["list"](place)
    subset.add(item(data))
    subset.add(item(data, keep=np.array([[True]])))
    subset.finish()
    assert files(place.folder) == ["images.txt", "labels.txt", "y/a.png"]
    assert (place.folder / "images.txt").read_text() == f"{data}/x/a.jpg\n{data}/x/a.jpg\n"
    assert (place.folder / "labels.txt").read_text().splitlines() == [
        f"{data}/y/a.png",
        f"{tmp_path}/out/y/a.png",
    ]


def test_line_breaks_cannot_forge_entries_of_a_list(tmp_path, data):
    hostile = f"{data}/x/a\nb.jpg"
    subset = FORMATS["list"](placement(tmp_path))
    with pytest.raises(StoreError, match="holds a line break"):
        subset.add(SubsetItem("x", hostile, hostile, "x/a\nb.jpg", "y", None))


def test_two_files_of_one_name_are_refused(tmp_path, data):
    subset = FORMATS["original"](placement(tmp_path))
    subset.add(item(data))
    with pytest.raises(StoreError, match=r"would both be 'x/a\.jpg'"):
        subset.add(item(data))


def test_nothing_is_written_through_a_link_into_the_data_set(tmp_path, data):
    place = placement(tmp_path)
    place.place(f"{data}/x/a.jpg", "x")
    with pytest.raises(StoreError, match="would both be"):
        place.new_file("x/evil.png")


def test_manifest_is_plain_csv(tmp_path):
    rows = [
        ["a,b", True, 0.5, 1, "score", 2, 3, "selected", "x", "y"],
        ["ü", False, None, None, "score", 0, 0, "unreadable_image", 'say "x"', "two\nlines"],
    ]
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    write_manifest(tmp_path, pa.table(columns))
    text = (tmp_path / "manifest.csv").read_text()
    assert text == (
        "id,selected,score,rank,rank_by,kept_px,valid_px,reason,image_path,label_path\n"
        '"a,b",True,0.5,1,score,2,3,selected,x,y\n'
        'ü,False,,,score,0,0,unreadable_image,"say ""x""","two\nlines"\n'
    )
    assert list(csv.reader(io.StringIO(text)))[2][-2:] == ['say "x"', "two\nlines"]


def test_manifest_is_written_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.selection.manifest._BLOCK_ROWS", 3)
    table = pa.table({name: list(range(8)) for name in COLUMNS})
    write_manifest(tmp_path, table)
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert lines[1:] == [",".join([str(row)] * len(COLUMNS)) for row in range(8)]


def test_record_marks_a_subset(tmp_path):
    assert not is_subset(tmp_path)
    write_record(tmp_path, {"a": 1})
    assert is_subset(tmp_path)
    assert json.loads((tmp_path / "subset.json").read_text()) == {
        "format": "curate-subset",
        "format_version": 1,
        "a": 1,
    }


@pytest.mark.parametrize("text", ["", "[]", '{"format": "x"}', "[" * 99_999])
def test_other_files_do_not_mark_a_subset(tmp_path, text):
    (tmp_path / "subset.json").write_text(text)
    assert not is_subset(tmp_path)
