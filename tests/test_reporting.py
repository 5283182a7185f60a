from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from curate import reporting


@pytest.fixture
def stream():
    return io.StringIO()


def test_one_line_is_rewritten_and_others_stand_below(stream, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(reporting, "time", clock)
    reporter = reporting.LineReporter(stream)
    reporter.note("Run: a")
    reporter.start("fit", 2000, unit="steps")
    reporter.advance(1, {"loss": 0.5})  # too soon
    clock.monotonic = lambda: 1.0
    reporter.advance(900, {"loss": 0.61234})
    reporter.warn("few images")
    reporter.advance(2000)
    reporter.finish()
    reporter.finish()
    assert stream.getvalue() == (
        "Run: a\n\rfit: 0/2,000 steps\rfit: 900/2,000 steps  loss 0.612\nwarning: few images\n"
        "\rfit: 2,000/2,000 steps\n"
    )


def test_shorter_text_leaves_nothing_of_a_longer_one(stream, monkeypatch):
    monkeypatch.setattr(reporting, "time", SimpleNamespace(monotonic=iter(range(99)).__next__))
    reporter = reporting.LineReporter(stream)
    reporter.start("a", 9)
    reporter.advance(1, {"x": 1})
    reporter.advance(9)
    first, _, last = stream.getvalue().split("\r")[1:]
    assert (first, last) == ("a: 0/9 images", "a: 9/9 images     ")


def test_notebook_shows_progress_and_a_program_logs(monkeypatch):
    assert isinstance(reporting.default_reporter(), reporting.LogReporter)
    for shell, kind in (
        (SimpleNamespace(kernel=1), reporting.LineReporter),
        (SimpleNamespace(), reporting.LogReporter),  # IPython in a terminal
        (None, reporting.LogReporter),
    ):
        stand_in = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", stand_in)
        assert type(reporting.default_reporter()) is kind
