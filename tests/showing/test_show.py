from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.errors import DataError, StoreError, UsageError
from curate.showing import inks, show
from tests.showing.making import write_set
from tests.tiny import RecordingReporter


def test_image_labels_score_and_stream_stand_side_by_side(scores, tmp_path):
    out = tmp_path / "a.png"
    assert show.show(scores, "a", out=out).to_json() == {"out": str(out)}
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    palette = inks.score_palette()
    for score in (26, 230):  # .1 on the left and .9 on the right, in 1/255
        colour = palette[inks.as_ink(np.array(score, np.uint8))]
        assert (pixels == colour).all(axis=-1).mean() > 0.02
    for colour in inks.class_colours(["a", "b"]):
        assert (pixels == colour).all(axis=-1).mean() > 0.02


def test_panels_are_named_and_of_the_image_s_size(sets):
    heads, panels = show.draw_panels(sets, 0)
    assert heads == ["image", "labels", "score 0.10", "stream appearance 0.10"]
    assert {panel.shape for panel in panels} == {(16, 24, 3)}
    np.testing.assert_array_equal(
        panels[2][:, :12], np.broadcast_to(inks.score_palette()[26], (16, 12, 3))
    )


def test_jpeg_is_written_where_its_suffix_says_so(scores, tmp_path):
    show.show(scores, "a", out=tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.format == "JPEG"


def test_unknown_image_is_answered_by_what_is_spelled_alike(tmp_path):
    scores = write_set(tmp_path, "city", {"images/001": 0.1, "images/002": 0.9})
    with pytest.raises(
        UsageError, match=r"knows no image 'image/001'.*its 2 ids, such as images/001"
    ):
        show.show(scores, "image/001", out=tmp_path / "a.png")


def test_image_is_found_in_the_set_that_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [write_set(tmp_path, "city", {"a": 0.1}), write_set(tmp_path, "town", {"x/b": 0.9})]
    told = RecordingReporter()
    assert str(show.show(paths, "x/b", reporter=told).out) == "b.png"
    assert (tmp_path / "b.png").exists()
    assert [note for note in told.notes if "town.h5" in note] == told.notes != []
    with pytest.raises(UsageError, match=r"city.h5, .*town.h5 know no image 'c'. .* their 2 ids"):
        show.show(paths, "c")


def test_last_part_of_an_id_is_enough_if_no_other_image_has_it(tmp_path):
    scores = write_set(tmp_path, "city", {"x/a": 0.1, "x/b": 0.2, "y/b": 0.3})
    assert show.show(scores, "a", out=tmp_path / "a.png").out.exists()
    with pytest.raises(UsageError, match=r"'b' may be x/b of .*city.h5 or y/b of .*city.h5"):
        show.show(scores, "b", out=tmp_path / "b.png")


def test_image_of_two_sets_is_asked_back(tmp_path):
    paths = [write_set(tmp_path, name, {"a": 0.1}) for name in ("city", "town")]
    with pytest.raises(UsageError, match=r"'a' may be a of .*city.h5 or a of .*town.h5: write"):
        show.show(paths, "a", out=tmp_path / "a.png")
    told = RecordingReporter()
    show.show(paths, "town/a", out=tmp_path / "a.png", reporter=told)  # as a manifest has it
    assert ["town.h5" in note for note in told.notes] == [True] * len(told.notes) != []


def test_image_without_a_score_cannot_be_shown(scores, tmp_path):
    with pytest.raises(StoreError, match=r"'z' has no score .*unreadable_image"):
        show.show(scores, "z", out=tmp_path / "z.png")


def test_score_file_without_maps_is_refused(tmp_path):
    scores = write_set(tmp_path, "city", {"a": 0.1}, levels=["image"])
    with pytest.raises(StoreError, match="Score again, with all levels"):
        show.show(scores, "a", out=tmp_path / "a.png")


def test_missing_image_is_named(scores, tmp_path):
    (tmp_path / "city/images/a.png").unlink()
    with pytest.raises(DataError, match=r"images/a.png does not exist"):
        show.show(scores, "a", out=tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_nothing_is_overwritten_unless_asked_for(scores, tmp_path):
    out = tmp_path / "a.png"
    out.write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        show.show(scores, "a", out=out)
    assert out.read_text() == "mine"
    show.show(scores, "a", out=out, overwrite=True)
    assert out.stat().st_size > 100


def test_other_kinds_of_files_are_refused(scores, tmp_path):
    with pytest.raises(UsageError, match=r"a.txt has to end in .png or .jpg"):
        show.show(scores, "a", out=tmp_path / "a.txt")
