from __future__ import annotations

import pytest

from curate.showing import sheet
from tests.showing.making import opened, write_set
from tests.showing.test_inks import decode


def test_places_count_from_the_lowest_score(sets):
    ranks = sheet.Ranks(sets)
    assert ranks.places.tolist() == [1, 6, 3, 5, 2, 4, 0]  # the last one has no score
    assert ranks.order.tolist() == [0, 4, 2, 5, 3, 1]


def test_lowest_highest_and_others_are_shown(sets, monkeypatch):
    monkeypatch.setattr(sheet, "NUM_ROWS", 2)
    chosen = sheet.Ranks(sets).choose()
    assert chosen == {"lowest": [0, 4], "random": [2, 5], "highest": [1, 3]}


def test_no_image_is_shown_twice(sets):
    chosen = sheet.Ranks(sets).choose()
    rows = [row for kind in chosen.values() for row in kind]
    assert sorted(rows) == [0, 1, 2, 3, 4, 5]


def test_each_set_has_its_rows(two_sets, monkeypatch):
    monkeypatch.setattr(sheet, "NUM_ROWS", 2)
    chosen = sheet.Ranks(two_sets).choose()
    assert chosen["lowest"] == [0, 2]  # .1 of the one, .3 of the other
    assert chosen["highest"] == [1, 3]


def test_single_image_is_shown_once(tmp_path):
    chosen = sheet.Ranks(opened(write_set(tmp_path, "city", {"a": 0.2}))).choose()
    assert chosen == {"lowest": [0], "random": [], "highest": []}


def test_stream_in_which_an_image_ranks_lowest_pulled_it_down(tmp_path):
    from tests.scores.making import write_scores
    from tests.showing.making import ID_MAP, PROVENANCE, scored

    values = {"a": (0.9, 0.1), "b": (0.2, 0.3), "c": (0.5, 0.2)}
    images = [scored(i, 0.5, appearance=x, layout=y) for i, (x, y) in values.items()]
    about = PROVENANCE | {"id_map": ID_MAP.to_json(), "streams": ["appearance", "layout", "idle"]}
    ranks = sheet.Ranks(opened(write_scores(tmp_path / "w.h5", images, provenance=about)))
    pulls = [ranks.pull(row) for row in range(3)]
    assert [pull.stream for pull in pulls] == ["layout", "appearance", "appearance"]
    assert [pull.share_above for pull in pulls] == [1, 1, 0.5]
    assert pulls[0].value == pytest.approx(0.1)


def test_row_has_image_labels_score_and_stream(sets):
    row = sheet.draw_row(sheet.Ranks(sets), 0)
    assert (row.row, row.place, row.problem) == (0, 1, "")
    sizes = [decode(uri).size for uri in (row.image, row.labels, row.scores, row.pulled)]
    assert sizes == [(24, 16), (24, 16), (12, 8), (12, 8)]


def test_row_says_what_is_missing(sets, tmp_path):
    (tmp_path / "city/images/a.png").unlink()
    row = sheet.draw_row(sheet.Ranks(sets), 0)
    assert (row.image, bool(row.labels), bool(row.scores)) == ("", True, True)
    assert "a.png does not exist" in row.problem


def test_without_maps_there_is_no_score_map(tmp_path):
    sets = opened(write_set(tmp_path, "city", {"a": 0.2}, levels=["image"]))
    row = sheet.draw_row(sheet.Ranks(sets), 0)
    assert (row.scores, row.pulled, row.problem) == ("", "", "")
