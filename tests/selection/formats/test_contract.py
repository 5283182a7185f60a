"""What every export format must do."""

from __future__ import annotations

import os

import numpy as np
import pytest

from curate.errors import CurateError, StoreError
from curate.selection.formats import FORMATS
from tests.selection.formats.conftest import Drawn
from tests.selection.formats.readers import READERS
from tests.selection.making import edit, files, left_beside


def assert_equal(found, expected):
    assert sorted(found) == sorted(expected)
    for name, (image, label_map) in expected.items():
        np.testing.assert_array_equal(found[name][0], image, err_msg=name)
        np.testing.assert_array_equal(found[name][1], label_map, err_msg=name)


def medium(layout):
    return "copy" if "copy" in FORMATS[layout].media else FORMATS[layout].media[0]


def test_every_format_has_a_reader():
    assert list(READERS) == list(FORMATS)


@pytest.mark.parametrize("layout", FORMATS)
def test_subset_holds_the_pixels_of_its_images_and_labels(drawn, out, layout):
    assert_equal(READERS[layout](drawn.export(out, layout)), drawn.truth)


@pytest.mark.parametrize("layout", FORMATS)
def test_pixels_that_were_not_selected_are_ignored(drawn, out, layout):
    assert_equal(READERS[layout](drawn.export(out, layout, by="region")), drawn.left_half)


@pytest.mark.parametrize("layout", FORMATS)
def test_jpeg_images_keep_their_pixels(drawn_jpeg, out, layout):
    assert_equal(READERS[layout](drawn_jpeg.export(out, layout)), drawn_jpeg.truth)


@pytest.mark.parametrize("layout", FORMATS)
def test_subset_can_be_moved_together_with_its_data_set(drawn, tmp_path, out, layout):
    drawn.export(out, layout)
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert_equal(READERS[layout](moved / "subset"), drawn.truth)


@pytest.mark.slow
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("name", ["../../../e", "/tmp/e", "..", "x/../../../e", "n\nl", "x" * 5000])
def test_hostile_ids_put_nothing_outside_of_the_subset(tmp_path, layout, name):
    drawn = Drawn(tmp_path / "set", names=("a", "b"))
    edit(drawn.scores, "images/id", 1, name)
    before = files(tmp_path)
    out = tmp_path / "deep" / "subset"
    try:
        drawn.export(out, layout)
    except CurateError:
        assert not out.exists()
    inside = "deep/subset/"
    assert [path for path in files(tmp_path) if not path.startswith(inside)] == before
    assert not os.path.lexists(f"{tmp_path}/deep/e")
    assert not out.parent.exists() or left_beside(out) == []


@pytest.mark.parametrize("layout", FORMATS)
def test_two_images_of_one_name_are_refused_or_both_there(tmp_path, out, layout):
    drawn = Drawn(tmp_path, names=("a_b", "a/b"))
    try:
        drawn.export(out, layout)
    except StoreError as error:
        assert "would both be" in str(error)  # noqa: PT017
        assert not out.exists()
    else:
        found = READERS[layout](out)
        assert len(files(drawn.root)) == 4
        assert found


@pytest.mark.slow
@pytest.mark.parametrize("layout", FORMATS)
def test_nothing_is_written_into_the_data_set(drawn, out, layout):
    def snapshot():
        return {path: (drawn.root / path).read_bytes() for path in files(drawn.root)}

    before = snapshot()
    drawn.export(out, layout, by="region", media=FORMATS[layout].media[0])
    assert snapshot() == before
