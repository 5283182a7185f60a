import json
import re
from pathlib import Path

import pytest

from curate.checking import looking_on_ray
from curate.checking.survey import survey
from curate.cluster.ray_cluster import Cluster
from curate.data.dataset import open_dataset
from curate.errors import RunError
from curate.records import ClassSet
from tests.checking import making
from tests.tiny import RecordingReporter

CLASSES = ClassSet("custom", making.CLASSES)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """40 pairs in a folder that is named from where we are; one label is cut off, one missing."""
    making.write_set(tmp_path / "set", 40, seed=0)
    label = tmp_path / "set/labels/003.png"
    label.write_bytes(label.read_bytes()[:40])
    (tmp_path / "set/labels/007.png").unlink()
    monkeypatch.chdir(tmp_path)
    return open_dataset(Path("set"), classes=CLASSES)


def look(source, project, cluster=None):
    reporter = RecordingReporter()
    return survey(source, project=project, reporter=reporter, is_deep=True, cluster=cluster).facts


@pytest.fixture
def here(monkeypatch):
    """Let this process do what the cluster would, the last part first; part 1 may fail."""
    asked, failing = [], set()

    def each_part(numbers, make, cluster, on_progress):
        work = make()
        for number in reversed(numbers):
            asked.append(list(make.parts[number]))
            problem = "its worker died." if number in failing else ""
            yield number, None if problem else work(number, lambda _: None), problem

    monkeypatch.setattr("curate.cluster.ray_pool.each_part", each_part)
    monkeypatch.setattr(looking_on_ray, "PART_PAIRS", 15)
    return asked, failing


def test_parts_are_seen_as_one_machine_sees_them(source, here, tmp_path):
    (tmp_path / "other").mkdir()
    found = look(source, tmp_path, Cluster())
    assert [len(part) for part in here[0]] == [10, 15, 15]
    assert found == look(source, tmp_path / "other")
    assert found[3].message.startswith("set/labels/003.png ")


def test_parts_that_failed_are_told_and_the_others_never_seen_again(source, here, tmp_path):
    asked, failing = here
    failing.add(1)
    match = re.escape("1 of 3 parts of set could not be looked at") + ".* From images/015.png on: "
    with pytest.raises(RunError, match=match + "its worker died. Mend it"):
        look(source, tmp_path, Cluster())
    asked.clear()
    failing.clear()
    look(source, tmp_path, Cluster())
    assert asked == [list(range(15, 30))]


@pytest.mark.ray
@pytest.mark.slow
def test_cluster_sees_what_one_machine_sees(source, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed")
    monkeypatch.setattr(looking_on_ray, "PART_PAIRS", 7)
    (tmp_path / "other").mkdir()
    assert look(source, tmp_path, Cluster(cpus=0.5)) == look(source, tmp_path / "other")


@pytest.mark.ray
@pytest.mark.slow
def test_command_tells_the_same_with_and_without_a_cluster(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray", reason="ray is not installed")
    from typer.testing import CliRunner

    from curate.cli.app import app

    making.write_project(tmp_path)
    (tmp_path / "synth/labels/003.png").unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("curate.costs._measure_pace", lambda: 1.0)
    told = []
    for more in (["--ray", "--ray-cpus", "0.5"], []):
        done = CliRunner().invoke(app, ["check", "--json", *more])
        assert done.exit_code == 1, done.output
        told.append(json.loads(done.stdout))
        for kept in (tmp_path / ".curate").iterdir():
            kept.unlink()
    assert told[0] == told[1]
    assert told[0]["problems"][0]["code"] == "missing_label"
