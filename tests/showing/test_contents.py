from __future__ import annotations

from curate.showing import contents, sheet
from tests.showing.making import opened, write_set
from tests.tiny import RecordingReporter


def test_rank_is_told_from_the_nearer_end(sets):
    ranks = sheet.Ranks(sets)
    told = [
        contents._describe_row(ranks, sheet.draw_row(ranks, row), list("abcdefz"))["rank"]
        for row in (0, 4, 1, 3)
    ]
    assert told == ["lowest of 6", "2nd lowest of 6", "highest of 6", "2nd highest of 6"]


def test_groups_are_rows_of_all_sets(tmp_path):
    import shutil

    one = write_set(tmp_path, "one", {"a": 0.1, "b": 0.5})
    two = write_set(tmp_path, "two", {"c": 0.1, "d": 0.5, "e": 0.7}, seed=1)
    for name in ("d", "e"):
        shutil.copy(tmp_path / "two/images/c.png", tmp_path / f"two/images/{name}.png")
    shutil.copy(tmp_path / "one/images/a.png", tmp_path / "one/images/b.png")
    groups = contents.find_groups(opened(one, two), project=tmp_path, reporter=RecordingReporter())
    assert groups == [[2, 3, 4], [0, 1]]


def test_folder_that_is_gone_has_no_groups(scores, tmp_path):
    (tmp_path / "city").rename(tmp_path / "gone")
    assert (
        contents.find_groups(opened(scores), project=tmp_path, reporter=RecordingReporter()) == []
    )
