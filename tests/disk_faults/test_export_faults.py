"""`curate export-subset` under faults."""

from __future__ import annotations

import errno
import signal

import pytest

from tests.disk_faults.harness import Fault, Project, Trial, resume

pytestmark = pytest.mark.slow  # each trial takes little, all together a minute

FULL, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS
FOR_GOOD = 1_000_000
EXPORT = ("export-subset", "--top", "50%")
PIXELS = (*EXPORT, "--by", "pixel", "--media", "copy")
FORMATS = {
    "links": (None, EXPORT),
    "pixels": (None, PIXELS),
    "lists": (None, (*EXPORT, "--format", "list", "--by", "region")),
    "links in place of pixels": (PIXELS, EXPORT),
}
"""What is exported before, and what under a fault."""


@pytest.fixture(scope="module", params=FORMATS)
def trial(request, commands, scored, tmp_path_factory):
    before, export = FORMATS[request.param]
    folder = tmp_path_factory.mktemp("export")
    project = Project(scored, folder / "project", commands)
    if before:
        project.reset()
        assert project.run(*before).code == 0
        project = project.saved_as(folder / "template")
    overwriting = (*export, "--overwrite")
    return Trial(project, overwriting if before else export, overwriting)


@pytest.mark.parametrize("number", range(8))
def test_killed_at_any_moment_is_exported_anew(trial, number):
    trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(1, number)))


@pytest.mark.parametrize("calls_left", range(1, 12, 3))
def test_killed_while_folders_are_swapped_leaves_a_whole_subset_or_none(trial, calls_left):
    before = trial.project.template / "subset" / "subset.json"
    at = trial.calls["writes"] - calls_left
    assert trial.disturb(Fault(signal=signal.SIGKILL, at=at)).code == -signal.SIGKILL
    refused = trial.project.run(*EXPORT)
    subset = trial.project.path / "subset"
    if before.exists() or refused.code == 2:
        assert "exists already: replace it with --overwrite" in refused.err
    assert (subset / "subset.json").exists()
    trial.recover()


def test_subset_that_a_killed_process_had_set_aside_is_not_replaced_unasked(trial):
    trial.disturb(Fault())
    subset = trial.project.path / "subset"
    subset.rename(subset.with_name(".subset.previous-1-0000000a-0000000a"))
    refused = trial.project.run(*EXPORT)
    assert refused.code == 2
    assert "exists already: replace it with --overwrite" in refused.err
    trial.recover()


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    ("stop", "target"), [(signal.SIGTERM, "process"), (signal.SIGINT, "group")]
)
def test_stopped_at_any_moment_is_exported_anew(trial, stop, target, number):
    trial.survive(Fault(signal=stop, target=target, **trial.moment(2, number)))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    "fault",
    [{"errno": FULL, "is_partial": True, "times": FOR_GOOD}, {"errno": FULL}, {"errno": BROKEN}],
    ids=["full", "full once", "broken once"],
)
def test_failing_disk_is_one_message_and_keeps_what_was_there(trial, fault, number):
    done = trial.disturb(Fault(at=trial.moment(3, 3 * number + 1)["at"], **fault))
    if done.code == 1:
        left = {name.split("/")[0] for name in trial.project.contents()}
        assert not [name for name in left if "partial" in name or "previous" in name]
    trial.recover()


def test_read_only_disk_is_told_before_the_work(trial):
    done = trial.survive(Fault(at=0, errno=READ_ONLY, times=FOR_GOOD))
    assert done.code == 1
    assert "Read-only file system" in done.err
    assert "export: 0/3 images" not in done.err


def test_jumping_clock_changes_nothing(trial):
    assert trial.survive(Fault(clock_jumps=True)).code == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.95])
def test_two_exports_at_a_time_leave_one_whole_subset(trial, share):
    first = trial.pause(at=round(trial.calls["writes"] * share))
    second = trial.project.run(*trial.again)
    assert second.code in (0, 1), second.err
    late = resume(first)
    if second.code == 1 and "in use" in second.err:  # the first was copying
        assert late.code == 0
    elif "--overwrite" not in trial.arguments and share < 0.9:  # later, it is in place already
        assert "there already" in late.err or "exists already" in late.err
    assert late.code in (0, 1, 2)
    assert (trial.project.path / "subset" / "subset.json").exists()
    trial.recover()


def test_image_that_vanishes_while_copying_is_one_message(commands, scored, tmp_path_factory):
    project = Project(scored, tmp_path_factory.mktemp("gone") / "project", commands)
    export = (*PIXELS, "--dataset", "synthetic")
    trial = Trial(project, export, export)
    first = trial.pause(at=8)
    kept = {path: path.read_bytes() for path in (project.path / "synthetic/images").iterdir()}
    for path in kept:
        path.unlink()
    done = resume(first)
    assert done.code == 1
    assert "No such file or directory" in done.err
    assert not (project.path / "subset").exists()
    for path, content in kept.items():
        path.write_bytes(content)
    trial.recover()
