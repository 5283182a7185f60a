from __future__ import annotations

import json

import pytest

from curate.errors import RunError
from curate.training.run_provenance import read_provenance
from curate.training.run_record import PROVENANCE_NAME

SOUND = {
    "classes": {"name": "own", "names": ["a", "b"]},
    "real_class_px": [4, 2],
    "real": [{"key": "r0", "fingerprint": "f", "layout": "folder"}],
    "synthetic": [],
    "seed": 0,
}


def write(folder, **changes):
    (folder / PROVENANCE_NAME).write_text(json.dumps(SOUND | changes))
    return folder


def test_sound_provenance_is_read_and_further_keys_are_kept(tmp_path):
    found = read_provenance(write(tmp_path))
    assert found.classes.names == ("a", "b")
    assert found.model_dump()["real"][0] == SOUND["real"][0]
    assert found.model_dump()["seed"] == 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"classes": {"name": "own"}}, r"'classes\.names': Field required"),
        ({"classes": {"name": "own", "names": []}}, r"classes\.names"),
        ({"classes": None}, "classes"),
        ({"real_class_px": "many"}, "real_class_px"),
        ({"real_class_px": [4, [2]]}, r"real_class_px\.1"),
        ({"real_class_px": [4, {"a": 2}]}, r"real_class_px\.1"),
        ({"real_class_px": [4, 10**400]}, r"real_class_px\.1"),
        ({"real_class_px": [4, -1]}, r"real_class_px\.1"),
        ({"real_class_px": [4]}, "counts the pixels of 1 classes, but names 2"),
        ({"synthetic": [{"key": 7, "fingerprint": "f"}]}, r"synthetic\.0\.key"),
        ({"real": {}}, "real"),
    ],
)
def test_damaged_provenance_is_one_error_that_names_the_key(tmp_path, changes, problem):
    with pytest.raises(RunError, match=problem):
        read_provenance(write(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "[", "[]", "[" * 99_999, '{"classes": "\\ud800"}'])
def test_what_is_no_table_is_one_error(tmp_path, text):
    (tmp_path / PROVENANCE_NAME).write_text(text)
    with pytest.raises(RunError, match=r"provenance\.json"):
        read_provenance(tmp_path)
