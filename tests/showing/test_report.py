from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from curate.checking import survey
from curate.errors import DataError, StoreError, UsageError
from curate.showing import contents
from curate.showing.report import report
from tests.showing.making import HOSTILE, draw_files, write_set
from tests.tiny import RecordingReporter


def write(scores, out, **options):
    return report([scores], out=out, project=out.parent, **options)


class Page(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts = [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def data(self):
        return json.loads(re.search(r'id="data">(.*?)</script>', self.source, re.DOTALL)[1])


def test_report_is_one_file_that_asks_for_nothing(scores, tmp_path):
    out = tmp_path / "report.html"
    done = write(scores, out)
    assert done.to_json() == {
        "out": str(out),
        "images": 7,
        "bytes": out.stat().st_size,
        "seconds": done.seconds,
    }
    page = Page(out)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:image/", "#")) or not value, (tag, name, value[:40])
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_scores_that_are_shown_are_named(scores, tmp_path):
    reporter = RecordingReporter()
    write(scores, tmp_path / "report.html", reporter=reporter)
    (note,) = reporter.notes
    assert note == f"Scores: {scores} (streams, run r)\nData set: city at {tmp_path / 'city'}"


def test_all_sections_are_there(scores, tmp_path):
    write(scores, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    ids = [attributes.get("id") for _, attributes in page.tags]
    for name in ("trust", "sheet", "regions", "scores", "cut", "repeats", "table"):
        assert ids.count(name) == 1
    assert page.data()["ids"] == ["a", "b", "c", "d", "e", "f", "z"]
    assert len(page.data()["cuts"]) == 6
    assert len([1 for tag, _ in page.tags if tag == "article"]) == 6


def test_every_picture_says_what_it_shows(scores, tmp_path):
    write(scores, tmp_path / "report.html")
    images = [attributes for tag, attributes in Page(tmp_path / "report.html").tags if tag == "img"]
    assert len(images) > 20
    assert all("alt" in attributes for attributes in images)
    assert sum(bool(attributes["alt"]) for attributes in images) > 20


def test_names_of_strangers_stay_text(tmp_path):
    name = HOSTILE.replace("/", "")
    scores = write_set(
        tmp_path, f"set {name}", {name: 0.2, "b": 0.9}, failed=["z" + name],
        classes={"name": "custom", "names": [HOSTILE, "b"]}, method=HOSTILE,
    )  # fmt: skip
    write(scores, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert len(scripts) == 2
    assert "alert(1)" in "".join(page.texts)
    assert "<script>alert" not in page.source
    assert "\u202e" not in page.source
    assert "\x07" not in page.source
    handlers = [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert handlers == []
    assert page.data()["classNames"][0].startswith("<script>alert(1)")


def test_no_script_may_run_but_that_of_the_page(scores, tmp_path):
    import base64
    import hashlib

    write(scores, tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)[1]
    script = re.search(r"<script>(.*?)</script>", source, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_cut_ranks_by_what_the_scores_name_as_default(scores, tmp_path):
    write(scores, tmp_path / "report.html")
    assert Page(tmp_path / "report.html").data()["rankBy"] == "score"
    by_weight = write_set(tmp_path, "town", {"a": 0.1}, rank_by="weight")
    write(by_weight, tmp_path / "other.html")
    assert Page(tmp_path / "other.html").data()["rankBy"] == "weight"


def test_moved_data_set_gives_a_report_without_pictures(scores, tmp_path):
    (tmp_path / "city").rename(tmp_path / "gone")
    write(scores, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert f"city is no longer at {tmp_path / 'city'}" in " ".join(page.texts)
    assert page.data()["thumbs"] == {}
    assert len([1 for tag, _ in page.tags if tag == "article"]) == 6
    write(scores, tmp_path / "found.html", dataset=tmp_path / "gone")
    assert len(Page(tmp_path / "found.html").data()["thumbs"]) == 6


def test_missing_and_damaged_files_are_said_where_they_belong(scores, tmp_path):
    (tmp_path / "city/images/a.png").unlink()
    (tmp_path / "city/labels/b.png").write_bytes(b"no label")
    Image.new("RGB", (9, 9)).save(tmp_path / "city/images/c.png")
    write(scores, tmp_path / "report.html")
    text = " ".join(Page(tmp_path / "report.html").texts)
    assert "a.png does not exist" in text
    assert "b.png cannot be read" in text
    assert "c.png has 9x9 pixels, but had 16x24 when it was scored" in text


def test_several_sets_are_shown_together(tmp_path):
    paths = [write_set(tmp_path, "one", {"a": 0.1}), write_set(tmp_path, "two", {"a": 0.8}, seed=1)]
    assert report(paths, out=tmp_path / "r.html", project=tmp_path).images == 2
    data = Page(tmp_path / "r.html").data()
    assert (data["setNames"], data["sets"]) == (["one", "two"], [0, 1])


def test_near_duplicates_are_grouped(tmp_path):
    scores = write_set(tmp_path, "city", dict.fromkeys("abcd", 0.5) | {"a": 0.1})
    pictures = tmp_path / "city/images"
    gradient = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
    gradient.save(pictures / "a.png")
    gradient.save(pictures / "c.png")
    write(scores, tmp_path / "report.html")
    columns = {c["name"]: c["values"] for c in Page(tmp_path / "report.html").data()["columns"]}
    assert columns["near-duplicates"] == [1, None, 1, None]


def test_what_was_seen_is_not_looked_at_again(scores, tmp_path, monkeypatch):
    write(scores, tmp_path / "report.html")
    monkeypatch.setattr(survey.examination, "examine", None)  # calling it would fail
    reporter = RecordingReporter()
    write(scores, tmp_path / "again.html", reporter=reporter)
    assert "look at city" not in [task for task, *_ in reporter.tasks]


def test_interrupted_report_leaves_nothing_and_goes_on(scores, tmp_path, monkeypatch):
    out = tmp_path / "out" / "report.html"

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(contents, "_cut_crops", interrupt)
    with pytest.raises(KeyboardInterrupt):
        report([scores], out=out, project=tmp_path)
    assert list(out.parent.iterdir()) == []
    monkeypatch.undo()
    report([scores], out=out, project=tmp_path)
    report([scores], out=tmp_path / "other.html", project=tmp_path)
    assert out.read_bytes() == (tmp_path / "other.html").read_bytes()


def test_nothing_is_overwritten_unless_asked_for(scores, tmp_path):
    out = tmp_path / "report.html"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists already: replace it with --overwrite"):
        write(scores, out)
    assert out.read_text() == "mine"
    with pytest.raises(UsageError, match="holds another report: replace it with --overwrite"):
        write(scores, out, resume=True)
    assert out.read_text() == "mine"
    write(scores, out, overwrite=True)
    assert out.read_text().startswith("<!doctype html>")
    write(scores, out, resume=True)  # killed when all was done, it ends well


def test_name_of_a_page_is_asked_for(scores, tmp_path):
    with pytest.raises(UsageError, match=r"report.pdf has to end in .html or .htm"):
        write(scores, tmp_path / "report.pdf")


def test_folder_that_cannot_be_written_to_is_refused_before_the_work(scores, tmp_path):
    if os.geteuid() == 0:
        target = tmp_path / "file" / "report.html"
        (tmp_path / "file").write_text("")
    else:
        target = tmp_path / "locked" / "report.html"
        target.parent.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot write to"):
        write(scores, target)


def test_nothing_scored_is_nothing_to_show(tmp_path):
    scores = write_set(tmp_path, "city", {}, failed=["a"])
    with pytest.raises(DataError, match=r"no image of .* has a score"):
        write(scores, tmp_path / "report.html")


def test_pictures_of_many_images_are_left_out_of_the_table(scores, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "MAX_THUMBNAILS", 3)
    write(scores, tmp_path / "report.html")
    assert Page(tmp_path / "report.html").data()["thumbs"] == {}


def test_places_are_written_as_people_do():
    assert [contents._ordinal(place) for place in (1, 2, 3, 4, 11, 12, 21, 112, 1003)] == [
        "", "2nd ", "3rd ", "4th ", "11th ", "12th ", "21st ", "112th ", "1,003rd ",
    ]  # fmt: skip


def test_tables_alone_make_a_report(tmp_path):
    draw_files(tmp_path / "city", [])
    scores = write_set(tmp_path, "city", {"a": 0.1, "b": 0.7}, levels=["image"])
    write(scores, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert {table["unit"] for table in page.data()["cuts"]} == {"image"}
    assert "regions" not in [attributes.get("id") for _, attributes in page.tags]
