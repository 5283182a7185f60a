"""`curate score` under faults."""

from __future__ import annotations

import errno
import signal

import pytest

from tests.faults.harness import Fault, Project, Trial

FULL, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS
FOR_GOOD = 1_000_000


@pytest.fixture(scope="module")
def trial(commands, fitted, tmp_path_factory):
    project = Project(fitted, tmp_path_factory.mktemp("score") / "project", commands)
    score = ("score", "synthetic", "--out", "weights.h5")
    return Trial(project, score, (*score, "--resume"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(30))
def test_killed_at_any_moment_resumes_to_the_same_scores(trial, number):
    trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(1, number)))


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize(
    ("stop", "target"), [(signal.SIGTERM, "process"), (signal.SIGINT, "group")]
)
def test_stopped_at_any_moment_resumes_to_the_same_scores(trial, stop, target, number):
    trial.survive(Fault(signal=stop, target=target, **trial.moment(2, number)))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize(
    "fault",
    [{"errno": FULL, "is_partial": True, "times": FOR_GOOD}, {"errno": FULL}, {"errno": BROKEN}],
    ids=["full", "full once", "broken once"],
)
def test_failing_disk_is_one_message_and_loses_nothing(trial, fault, number):
    trial.survive(Fault(at=trial.moment(3, 3 * number + 1)["at"], **fault))


def test_read_only_disk_is_told_before_the_work(trial):
    done = trial.survive(Fault(at=0, errno=READ_ONLY, times=FOR_GOOD))
    assert done.code == 1
    assert "Read-only file system" in done.err


def test_jumping_clock_changes_nothing(trial):
    assert trial.survive(Fault(clock_jumps=True)).code == 0
