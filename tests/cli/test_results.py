from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.cli.results import count, duration, measure, show
from curate.job import World

SHOW = "from curate.cli.results import show; show({'a': 1}, ['a line'], as_json=True)"


def call(code, **options):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, stderr=subprocess.PIPE, text=True, **options
    )


def test_json_is_one_object_on_one_line(capsys):
    result = {"out": Path("a") / "b", "areas": {"x": math.nan, "y": (1, 0.5, None, True)}}
    show(result, ["never shown"], as_json=True)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"out": "a/b", "areas": {"x": None, "y": [1, 0.5, None, True]}}


def test_names_that_are_no_text_still_make_valid_json(capsys):
    show({"out": os.fsdecode(b"caf\xe9"), "city": "Köln"}, [], as_json=True)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["city"] == "Köln"


def test_person_gets_the_lines(capsys):
    show({"never": "shown"}, ["first", "second"], as_json=False)
    assert capsys.readouterr().out == "first\nsecond\n"


def test_reader_that_has_gone_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    process = call(SHOW, stdout=writer)
    os.close(writer)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_stdout_is_an_error_of_its_own():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = call(SHOW, stdout=full)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "StoreError: The result could not be written to stdout: " in told
    assert "Exception ignored" not in told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (200, "3:20"), (3800, "1:03:20")],
)
def test_duration_is_written_for_people(seconds, text):
    assert duration(seconds) == text


def test_measures_have_two_digits_and_an_interval_where_there_is_one():
    assert measure(0.954) == ".95"
    assert measure(0.954, 0.92, 0.996) == ".95 [.92, 1.00]"
    assert measure(0.5, math.nan, math.nan) == ".50"
    assert measure(math.nan, 0.1, 0.2) == "-"


def test_count_knows_singular_and_plural():
    assert [count(n, "image") for n in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]


def test_of_a_job_only_the_first_process_prints(capsys, monkeypatch):
    monkeypatch.setattr("curate.job.this_process", lambda: World(1, 2, 1))
    show({"a": 1}, [], as_json=True)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("curate.job.this_process", lambda: World(0, 2, 0))
    show({"a": 1}, [], as_json=True)
    assert capsys.readouterr().out == '{"a": 1}\n'


def test_lines_of_a_result_stay_lines(capsys):
    show({}, ["Scores: a\nerror: b\x1b[2J"], as_json=False)
    assert capsys.readouterr().out == "Scores: a\\nerror: b\\x1b[2J\n"
