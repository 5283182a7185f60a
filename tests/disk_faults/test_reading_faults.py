"""`curate report`, `show` and `merge` under faults: what is made of score files."""

from __future__ import annotations

import errno
import signal

import pytest

from tests.disk_faults.conftest import advance
from tests.disk_faults.harness import Fault, Project, Trial

pytestmark = pytest.mark.slow  # three commands, twenty trials each

FOR_GOOD = 1_000_000
OUT = {"report": "report.html", "show": "one.png", "merge": "all.h5"}
COMMANDS = {
    "report": (("report",), "--overwrite"),
    "show": (("show", "images/002", "-o", OUT["show"]), "--overwrite"),
    "merge": (("merge", "1.h5", "2.h5", "--out", OUT["merge"]), "--resume"),
}
"""Each, and the option by which it is run again after a fault."""


@pytest.fixture(scope="module")
def shards(commands, fitted, tmp_path_factory):
    """A project with the scores of both parts of a data set."""
    project = fitted
    for number in (1, 2):
        arguments = ("score", "synthetic", "--shard", f"{number}/2", "--out", f"{number}.h5")
        name = f"shard{number}"
        project = advance(commands, tmp_path_factory, project, name, *arguments).path
    return project


@pytest.fixture(scope="module", params=COMMANDS)
def trial(request, commands, tmp_path_factory):
    template = request.getfixturevalue("shards" if request.param == "merge" else "scored")
    project = Project(template, tmp_path_factory.mktemp(request.param) / "project", commands)
    arguments, again = COMMANDS[request.param]
    made = Trial(project, arguments, (*arguments, again))
    made.out = OUT[request.param]
    return made


@pytest.mark.parametrize("number", range(8))
def test_killed_at_any_moment_is_made_anew(trial, number):
    trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(21, number)))


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize(
    ("stop", "target"), [(signal.SIGTERM, "process"), (signal.SIGINT, "group")]
)
def test_stopped_at_any_moment_leaves_a_whole_file_or_none(trial, stop, target, number):
    done = trial.disturb(Fault(signal=stop, target=target, **trial.moment(22, number)))
    found = trial.project.contents()
    if done.code:
        assert found.get(trial.out) in (None, trial.undisturbed[trial.out])
    trial.recover()


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "fault",
    [
        {"errno": errno.ENOSPC, "is_partial": True, "times": FOR_GOOD},
        {"errno": errno.ENOSPC},
        {"errno": errno.EIO},
    ],
    ids=["full", "full once", "broken once"],
)
def test_failing_disk_is_one_message_and_leaves_no_half(trial, fault, number):
    done = trial.disturb(Fault(at=trial.moment(23, 3 * number + 1)["at"], **fault))
    if done.code:
        found = trial.project.contents()
        assert found.get(trial.out) in (None, trial.undisturbed[trial.out])
    trial.recover()  # with what could not be removed, either
