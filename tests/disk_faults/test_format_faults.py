"""`curate export-subset` under faults, in every format that another file does not try."""

from __future__ import annotations

import errno
import signal

import pytest

from curate.selection.formats import FORMATS
from tests.disk_faults.harness import Fault, Project, Trial

pytestmark = pytest.mark.slow  # 16 formats, ten trials each

EXPORT = ("export-subset", "--top", "50%", "--by", "pixel", "--format")
ELSEWHERE = {"original", "list"}
FOR_GOOD = 1_000_000


@pytest.fixture(scope="module", params=sorted(set(FORMATS) - ELSEWHERE))
def trial(request, commands, scored, tmp_path_factory):
    project = Project(scored, tmp_path_factory.mktemp("export") / "project", commands)
    export = (*EXPORT, request.param)
    return Trial(project, export, (*export, "--overwrite"))


@pytest.mark.parametrize("number", range(4))
def test_killed_at_any_moment_is_exported_anew(trial, number):
    trial.survive(Fault(signal=signal.SIGKILL, **trial.moment(11, number)))


@pytest.mark.parametrize(
    ("stop", "target"), [(signal.SIGTERM, "process"), (signal.SIGINT, "group")]
)
def test_stopped_at_any_moment_leaves_no_half_and_is_exported_anew(trial, stop, target):
    done = trial.disturb(Fault(signal=stop, target=target, **trial.moment(12, 1)))
    subset = trial.project.path / "subset"
    assert done.code == 130 or subset.exists()
    assert (subset / "subset.json").exists() == subset.exists()  # whole, or not there
    trial.recover()


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("times", [FOR_GOOD, 1], ids=["for good", "once"])
def test_full_disk_is_one_message_and_leaves_no_half(trial, times, number):
    at = trial.moment(13, 3 * number + 1)["at"]
    done = trial.disturb(Fault(at=at, errno=errno.ENOSPC, is_partial=times > 1, times=times))
    if done.code == 1:
        assert "No space left on device" in done.err
        subset = trial.project.path / "subset"
        assert (subset / "subset.json").exists() == subset.exists()
    trial.recover()
