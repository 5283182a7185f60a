from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from curate.errors import StoreError
from curate.selection.placement import MEDIA, join_inside
from tests.selection.making import placement


def test_media_put_the_original_in_place(tmp_path, data):
    for media in MEDIA:
        target = tmp_path / media
        MEDIA[media](str(data / "x/a.jpg"), str(target))
        assert target.exists() == (media != "none")
        assert target.is_symlink() == (media == "symlink")
    assert (tmp_path / "symlink").readlink() == Path("data/x/a.jpg")
    assert (tmp_path / "hardlink").samefile(data / "x/a.jpg")
    assert (tmp_path / "copy").read_text() == "x/a.jpg"
    (tmp_path / "copy").write_text("changed")
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


def test_paths_that_lead_out_are_refused(tmp_path):
    for path in ("", "/etc/x", "../x", "a/../b", "a//b", ".", "a/.", "a\0b"):
        with pytest.raises(StoreError, match="leads out of the data set"):
            join_inside(tmp_path, path)
    assert join_inside("f", "..a/b..c/.d") == "f/..a/b..c/.d"
    if os.sep == "/":  # elsewhere these lead out
        assert join_inside("f", "c:d/e\\f") == "f/c:d/e\\f"


@pytest.mark.parametrize("media", ["symlink", "hardlink"])
def test_links_lead_to_the_file_itself_and_not_to_another_link(tmp_path, data, media):
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "a.jpg").symlink_to(data / "x/a.jpg")
    (tmp_path / "door").symlink_to(tmp_path / "again")
    MEDIA[media](f"{tmp_path}/door/a.jpg", f"{tmp_path}/t")
    assert (tmp_path / "t").samefile(data / "x/a.jpg")
    if media == "symlink":
        assert (tmp_path / "t").readlink() == Path("data/x/a.jpg")
    else:
        assert not (tmp_path / "t").is_symlink()


@pytest.mark.parametrize("media", ["symlink", "hardlink", "copy"])
def test_only_new_content_is_noted_for_the_disk(tmp_path, data, media):
    place = placement(tmp_path, media)
    place.place(str(data / "x/a.jpg"), "x/a.jpg")
    assert place.written == ([place.folder / "x/a.jpg"] if media == "copy" else [])
    assert place.new_file("y/b.png") in place.written
    with pytest.raises(StoreError, match="would both be"):
        place.place(str(data / "y/a.png"), "x/a.jpg")
    assert (place.folder / "x/a.jpg").read_text() == "x/a.jpg"


def test_nothing_is_written_through_a_link_into_the_data_set(tmp_path, data):
    place = placement(tmp_path)
    place.place(str(data / "x/a.jpg"), "x")
    with pytest.raises(StoreError, match="would both be"):
        place.new_file("x/evil.png")


def test_links_hold_where_subset_and_data_set_are_moved_together(tmp_path, data):
    place = placement(tmp_path)
    place.place(str(data / "x/a.jpg"), "deep/er/a.jpg")
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert (moved / "aside/deep/er/a.jpg").read_text() == "x/a.jpg"


def test_way_to_an_original_starts_where_the_subset_will_be(tmp_path, data):
    assert placement(tmp_path).way_to(str(data / "x/a.jpg")) == "../data/x/a.jpg"
