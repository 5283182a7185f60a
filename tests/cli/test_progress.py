from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from curate.cli.progress import TerminalReporter, open_reporter, rows


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def plain(clock):
    return TerminalReporter(Console(file=io.StringIO(), width=40), is_live=False, clock=clock)


@pytest.fixture
def live(clock):
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    return TerminalReporter(console, is_live=True, clock=clock)


def text(reporter):
    return reporter.console.file.getvalue()


def test_plain_lines_come_at_the_start_every_ten_seconds_and_at_the_end(plain, clock):
    plain.start("fit", 100, 10, unit="steps")
    for second in range(1, 26):
        clock.now = second
        plain.advance(10 + 2 * second, {"loss_real": 0.5, "loss_synthetic": 0.25})
    plain.finish()
    assert text(plain).splitlines() == [
        "fit: 10/100 steps",
        "fit: 30/100 steps, 2 steps/s, 35 s left; loss real 0.5 synthetic 0.25",
        "fit: 50/100 steps, 2 steps/s, 25 s left; loss real 0.5 synthetic 0.25",
        "fit: 60/100 steps in 25 s; loss real 0.5 synthetic 0.25",
    ]


def test_task_may_start_before_the_last_one_was_finished(plain):
    plain.start("read", 2)
    plain.start("score", 3)
    plain.finish()
    plain.finish()
    assert text(plain).splitlines() == [
        "read: 0/2 images",
        "read: 0/2 images in 0 s",
        "score: 0/3 images",
        "score: 0/3 images in 0 s",
    ]


def test_progress_without_a_task_is_ignored(plain):
    plain.advance(3)
    assert text(plain) == ""


def test_warning_is_shown_in_full_and_literally(plain):
    plain.warn("a [red]long[/red] warning." * 5)
    assert text(plain) == "warning: " + "a [red]long[/red] warning." * 5 + "\n"


def test_terminal_gets_messages_wrapped_at_words_and_commands_whole(live):
    command = f"curate fit --out {'run ' * 40}--resume"
    live.warn(f"{'word ' * 40}end")
    live.fail(f"interrupted. Go on with:\n{command}")
    lines = text(live).splitlines()
    assert [len(line) <= 100 for line in lines] == [True, True, True, True, False]
    assert lines[0].startswith("warning: word word")
    assert lines[1].startswith("  word word")
    assert lines[2].endswith("end")
    assert lines[3:] == ["error: interrupted. Go on with:", f"  {command}"]


def test_failure_ends_the_task_first(plain):
    plain.start("score", 3)
    plain.fail("no disk")
    assert text(plain).splitlines()[-2:] == ["score: 0/3 images in 0 s", "error: no disk"]


def test_live_display_shows_bar_pace_and_measurements(live, clock):
    live.start("fit", 100, unit="steps")
    for clock.now in (5, 10):
        live.advance(2 * clock.now, {"ess": 0.8, "weight_pixel": 0.5, "weight_image": math.nan})
    assert "20/100 steps, 2 steps/s, 40 s left" in text(live)
    assert "weight pixel 0.5 image nan" in text(live)
    assert "ess 0.8" in text(live)
    live.finish()
    assert "20/100 steps in 10 s" in text(live)
    assert text(live).endswith("\x1b[?25h")  # the cursor is back


def test_live_display_is_drawn_at_most_ten_times_a_second(live, clock):
    live.start("fit", 1000, unit="steps")
    for n in range(1000):
        clock.now = n / 1000
        live.advance(n)
    assert text(live).count("/1,000 steps") <= 13


def test_empty_task_is_drawn(live):
    live.start("score", 0)
    live.finish()
    assert "0/0 images" in text(live)


def test_measurements_are_grouped_by_their_first_words():
    values = {"loss_real": 1, "images_per_second": 31.25, "held_out_loss_pixel": 0.5, "real": 2}
    assert rows(values | {"loss_synthetic": 2, "held_out_loss_image": 0.25}) == [
        "loss real 1 synthetic 2",
        "images per second 31.2",
        "held out loss pixel 0.5 image 0.25",
        "real 2",
    ]


def test_slow_tasks_tell_seconds_per_unit(plain, clock):
    plain.start("fit", 10, unit="steps")
    for done in (1, 2):
        clock.now += 25
        plain.advance(done)
    assert text(plain).splitlines()[-1] == "fit: 2/10 steps, 25 s per step, 3:20 left"


def test_rate_follows_the_last_minutes(plain, clock):
    plain.start("score", 10_000)
    for done in [*range(300), *range(300, 6300, 10)]:
        clock.now += 1
        plain.advance(done)
    assert ", 1 images/s, " in text(plain)
    assert text(plain).splitlines()[-1] == "score: 6,290/10,000 images, 10 images/s, 6:11 left"


def test_stderr_that_is_no_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with open_reporter() as reporter:
        assert not reporter.is_live


def test_task_is_closed_when_an_error_leaves(capsys):
    def fail():
        with open_reporter() as reporter:
            reporter.start("score", 3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert capsys.readouterr().err.splitlines() == ["score: 0/3 images", "score: 0/3 images in 0 s"]


def test_work_goes_on_when_no_one_reads_stderr():
    code = (
        "from curate.cli.process import command_errors\n"
        "with command_errors() as reporter:\n"
        "    reporter.start('fit', 3)\n"
        "    for n in range(3):\n"
        "        reporter.warn('x' * 70000)\n"
        "print('done')"
    )
    reader, writer = os.pipe()
    os.close(reader)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=writer,
        env=env,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_file_names_cannot_command_the_terminal_or_pose_as_messages(plain):
    plain.warn("a\x1b]0;PWNED\x07\x1b[2J\r\x9b32m\u202eb.png\nerror: run curl")
    shown = text(plain)
    assert shown == (
        "warning: a\\x1b]0;PWNED\\x07\\x1b[2J\n  \\x9b32m\\u202eb.png\n  error: run curl\n"
    )


def test_name_that_nobody_can_read_loses_its_middle(plain):
    plain.warn(f"{'a' * 700}{'b' * 700} is missing, {'c' * 900} is not")
    assert text(plain) == (f"warning: {'a' * 200}[..]{'b' * 100} is missing, {'c' * 900} is not\n")


FULL = """
import sys
from curate.cli.progress import open_reporter
with open_reporter() as reporter:
    reporter.start("score", 3)
    reporter.warn("w " * 10_000)
    reporter.advance(3)
    reporter.finish()
print("done")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_stderr_ends_no_work():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", FULL], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_bar_leaves_room_for_the_pace_on_a_narrow_terminal(clock):
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    reporter = TerminalReporter(console, is_live=True, clock=clock)
    reporter.start("look at airsim", 1000)
    for clock.now in (2, 4, 6):
        reporter.advance(60 * clock.now)
    last = text(reporter).splitlines()[-1]
    assert "look at airsim" in last
    assert last.endswith("360/1,000 images, 60 images/s, 11 s left")
