from __future__ import annotations

import base64

from curate.showing.image_table import tabulate_images
from tests.showing.making import HOSTILE, opened, write_set


def test_columns_are_laid_out_for_the_page(sets):
    table = tabulate_images(sets, [[0, 2]])
    columns = {column["name"]: column["values"] for column in table["columns"]}
    assert table["ids"] == ["a", "b", "c", "d", "e", "f", "z"]
    assert columns["score"] == [0.1, 0.9, 0.4, 0.7, 0.2, 0.6, None]
    assert columns["appearance (stream)"][:2] == [0.1, 0.9]
    assert "idle (stream)" not in columns
    assert columns["valid pixels"] == [384] * 6 + [None]
    assert columns["near-duplicates"] == [1, None, 1, None, None, None, None]
    assert table["statuses"][-1] == "unreadable_image"


def test_shares_and_scores_of_classes_are_bytes(sets):
    table = tabulate_images(sets, [])
    shares, scores = (base64.b64decode(table[name]) for name in ("classShare", "classScore"))
    assert list(shares[:2]) == [128, 128]
    assert list(scores[:2]) == [26, 230]
    assert len(shares) == 7 * 2


def test_column_of_which_nothing_is_known_is_left_out(sets):
    names = [column["name"] for column in tabulate_images(sets, [])["columns"]]
    assert "near-duplicates" not in names


def test_control_characters_of_ids_are_spelled_out(tmp_path):
    name = HOSTILE.replace("/", "")
    sets = opened(write_set(tmp_path, "city", {name: 0.5}))
    assert tabulate_images(sets, [])["ids"] == ["<script>alert(1)<script>\"'&\\u202e\\x07"]
