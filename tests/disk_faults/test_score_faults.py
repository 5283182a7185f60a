"""`curate score` under faults."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from tests.disk_faults.harness import Fault, Project, Trial, check_message, resume

pytestmark = pytest.mark.slow  # each trial takes little, all together a minute

FULL, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS
FOR_GOOD = 1_000_000
SCORE = ("score", "synthetic", "--out")


@pytest.fixture(scope="module")
def trial(commands, fitted, tmp_path_factory):
    return make_trial(commands, fitted, tmp_path_factory, "weights.h5")


def make_trial(commands, fitted, tmp_path_factory, out, *options):
    project = Project(fitted, tmp_path_factory.mktemp("score") / "project", commands)
    arguments = (*SCORE, out, *options)
    return Trial(project, arguments, (*arguments, "--resume"))


@pytest.mark.parametrize("number", range(30))
def test_killed_at_any_moment_resumes_to_the_same_scores(trial, number):
    trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(1, number)))


@pytest.mark.parametrize("out", ["weights", "weights.parquet"])
def test_killed_while_writing_another_kind_of_file_resumes(commands, fitted, tmp_path_factory, out):
    trial = make_trial(commands, fitted, tmp_path_factory, out)
    for number in range(4):
        trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(4, number)))


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize(
    ("stop", "target"), [(signal.SIGTERM, "process"), (signal.SIGINT, "group")]
)
def test_stopped_at_any_moment_resumes_to_the_same_scores(trial, stop, target, number):
    trial.survive(Fault(signal=stop, target=target, **trial.moment(2, number)))


@pytest.mark.parametrize("number", range(5))
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
    assert "score: 0/6 images" not in done.err


def test_jumping_clock_changes_nothing(trial):
    assert trial.survive(Fault(clock_jumps=True)).code == 0


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_second_process_is_kept_out(trial, share):
    first = trial.pause(at=round(trial.calls["writes"] * share))
    second = trial.project.run(*trial.again)
    assert second.code == 1
    assert "is in use by another process" in second.err
    assert resume(first).code == 0
    trial.recover()


@pytest.mark.parametrize("change", ["deleted", "cut short", "replaced"])
def test_images_that_change_while_scoring_get_a_status_and_are_scored_by_resume(trial, change):

    trial.project.reset()
    images = trial.project.path / "synthetic" / "images"
    kept = {path: path.read_bytes() for path in sorted(images.iterdir())[2:4]}
    command = trial.pause(at=0)
    for path, content in kept.items():
        if change == "deleted":
            path.unlink()
        else:
            path.write_bytes(content[: len(content) // 2] if change == "cut short" else b"no image")
    done = resume(command)
    assert done.code == 0, done.err
    assert "2 images have no score" in done.err
    for path, content in kept.items():
        path.write_bytes(content)
    trial.recover()


def test_killed_worker_is_one_message_and_resumes(commands, fitted, tmp_path_factory):
    trial = make_trial(commands, fitted, tmp_path_factory, "weights.h5", "--workers", "2")
    trial.project.reset()
    command = trial.project.start(*trial.arguments)
    workers = command.find_workers()
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    done = command.wait()
    assert done.code in (0, 1), done.err
    check_message(done)
    trial.recover()
