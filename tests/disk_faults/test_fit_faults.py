"""`curate fit` under faults."""

from __future__ import annotations

import errno
import json
import os
import signal

import pytest

from tests.disk_faults.harness import Fault, Project, Trial, check_message, resume

pytestmark = pytest.mark.slow  # each trial takes little, all together a minute

FULL, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS
FOR_GOOD = 1_000_000
RUN = "runs/run-0001"


@pytest.fixture(scope="module")
def trial(commands, unfitted, tmp_path_factory):
    project = Project(unfitted, tmp_path_factory.mktemp("fit") / "project", commands)
    return Trial(project, ("fit",), ("fit", "--resume"))


def is_training(trial):
    """Tell whether the run is there and has a checkpoint."""
    return (trial.project.path / RUN / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("number", range(30))
def test_killed_at_any_moment_resumes_bit_for_bit(trial, number):
    trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(1, number)))


@pytest.mark.parametrize("calls_left", range(1, 26, 3))
def test_killed_while_finishing_leaves_nothing_to_clear_up_by_hand(trial, calls_left):
    at = trial.calls["writes"] - calls_left
    assert trial.survive(Fault(signal=signal.SIGKILL, at=at)).code == -signal.SIGKILL


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    ("stop", "target"), [(signal.SIGTERM, "process"), (signal.SIGINT, "group")]
)
def test_stopped_at_any_moment_resumes_bit_for_bit(trial, stop, target, number):
    trial.survive(Fault(signal=stop, target=target, **trial.moment(2, number)))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    "fault",
    [{"errno": FULL, "is_partial": True, "times": FOR_GOOD}, {"errno": FULL}, {"errno": BROKEN}],
    ids=["full", "full once", "broken once"],
)
def test_failing_disk_is_one_message_and_loses_nothing(trial, fault, number):
    trial.survive(Fault(at=trial.moment(3, 3 * number + 1)["at"], **fault))


def test_disk_that_fills_up_while_training_says_which_step_is_saved(trial):
    said = set()
    for share in (0.4, 0.5, 0.6, 0.7):
        at = round(trial.calls["writes"] * share)
        done = trial.survive(Fault(at=at, errno=FULL, times=FOR_GOOD))
        assert "No space left on device. Free some space" in done.err
        said |= {step for step in (0, 2, 4, 6) if f"Step {step} is saved" in done.err}
    assert said & {2, 4}


@pytest.mark.parametrize("calls_left", [2, 4])
def test_finished_run_that_cannot_be_noted_as_the_newest_says_so(trial, calls_left):
    at = trial.calls["writes"] - calls_left
    done = trial.survive(Fault(at=at, errno=FULL, times=FOR_GOOD))
    assert done.code == 0  # nothing is lost
    assert f"{RUN} is finished, but later commands will not find it by themselves" in done.err


def test_read_only_disk_is_told_before_the_work(trial):
    done = trial.survive(Fault(at=0, errno=READ_ONLY, times=FOR_GOOD))
    assert done.code == 1
    assert "Read-only file system" in done.err
    assert "fit: 0/6 steps" not in done.err


def test_jumping_clock_changes_nothing(trial):
    assert trial.survive(Fault(clock_jumps=True)).code == 0


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("flag", ["--resume", "--overwrite"])
def test_second_process_is_kept_out_of_a_run(trial, flag, share):
    first = trial.pause(at=round(trial.calls["writes"] * share))
    assert (trial.project.path / RUN).exists()
    second = trial.project.run("fit", flag, "--out", str(trial.project.path / RUN))
    assert second.code == 1
    assert "is in use by another process" in second.err
    assert resume(first).code == 0
    trial.recover()


@pytest.mark.parametrize("at", [0, 20, 80])
def test_two_new_runs_at_a_time_get_folders_of_their_own(trial, at):
    first = trial.pause(at=at, among="all")
    assert trial.project.run("fit").code == 0
    assert resume(first).code == 0
    runs = sorted((trial.project.path / "runs").iterdir())
    assert [run.name for run in runs] == ["run-0001", "run-0002"]
    weights = [(run / "segmenter.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]


def test_new_run_clears_up_what_one_of_another_name_left(trial):
    done = trial.disturb(Fault(signal=signal.SIGKILL, at=30))
    assert done.code == -signal.SIGKILL
    assert list(trial.project.path.rglob(".*.partial-*")), "killed too early, or too late"
    assert trial.project.run("fit", "--out", "runs/other").code == 0
    assert not list(trial.project.path.rglob(".*.partial-*"))


def test_images_replaced_while_training_are_warned_of(trial):
    first = trial.pause(at=round(trial.calls["writes"] * 0.5))
    assert is_training(trial)
    data = trial.project.path / "synthetic"
    for number in range(3):
        (data / "images" / f"{number:03}.png").write_bytes(b"")
        (data / "labels" / f"{number + 3:03}.png").unlink()
    done = resume(first)
    assert done.code in (0, 1), done.err
    if done.code == 0:
        assert "synthetic changed during the training" in done.err
        assert (
            json.loads((trial.project.path / RUN / "run.json").read_text())["status"] == "finished"
        )
    else:
        assert "cannot be read" in done.err


def test_killed_reader_is_one_message_and_the_run_resumes(commands, unfitted, tmp_path_factory):
    project = Project(unfitted, tmp_path_factory.mktemp("readers") / "project", commands)
    trial = Trial(project, ("fit", "--workers", "1"), ("fit", "--resume"))
    project.reset()
    command = project.start(*trial.arguments)
    (reader,) = command.find_workers()
    os.kill(reader, signal.SIGKILL)
    done = command.wait()
    assert done.code == 1
    check_message(done)
    assert "A process that read images was ended" in done.err
    trial.recover()
