from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from curate.cluster.parts import path_of
from curate.cluster.ray_cluster import Cluster
from curate.cluster.ray_pool import Done
from curate.errors import RunError, StoreError, UsageError
from curate.job import Shard
from curate.scores.score_file import ScoreFile
from curate.scoring import on_ray
from curate.scoring.score import score
from tests.tiny import RecordingReporter, write_dataset


@pytest.fixture(scope="module")
def pool(finished_run, tmp_path_factory):
    """21 images, one of them broken, and their scores by one process."""
    config, run = finished_run
    folder = tmp_path_factory.mktemp("pool")
    root = write_dataset(folder / "pool", 21, is_flat=True, seed=3)
    (root / "images/004.png").write_bytes(b"")
    score(root, folder / "alone.h5", config=config, run=run)
    return folder


def assert_same_scores(one, other):
    first, second = ScoreFile(one), ScoreFile(other)
    assert first.images.equals(second.images)
    assert first.regions.equals(second.regions)
    for image_id in first.images.query("status == 'ok'")["id"]:
        assert np.array_equal(first.pixel_scores(image_id), second.pixel_scores(image_id))


@pytest.fixture
def here(monkeypatch):
    """Let this process do what the cluster would."""
    made = []

    def do_parts(numbers, make, cluster, on_progress):
        done, work = Done({}, {}, {}), make()
        for number in numbers:
            made.append(number)
            done.results[number] = work(number, lambda units: on_progress(units, {"here": 1.0}))
        return done

    monkeypatch.setattr("curate.cluster.ray_pool.do_parts", do_parts)
    monkeypatch.setattr("curate.cluster.ray_cluster.import_ray", lambda: None)
    return made


def test_parts_make_up_what_one_process_scores(pool, finished_run, here, tmp_path):
    config, run = finished_run
    out, reporter = tmp_path / "w.h5", RecordingReporter()
    options = {"config": config, "run": run, "ray": Cluster(), "part_images": 5}
    result = score(pool / "pool", out, reporter=reporter, **options)
    assert here == [1, 2, 3, 4, 5]
    assert (result.scored, result.failed, result.skipped) == (20, 1, 0)
    assert_same_scores(out, pool / "alone.h5")
    assert not (tmp_path / "w.h5.parts").exists()
    assert ("score", 21, 0, "images") in reporter.tasks
    with pytest.raises(UsageError, match=r"w\.h5 exists already: let score go on with --resume"):
        score(pool / "pool", out, **options)


def test_what_is_done_is_not_done_again_and_damage_is(pool, finished_run, here, tmp_path):
    config, run = finished_run
    out = tmp_path / "w.h5"
    options = {"config": config, "run": run, "ray": Cluster()}
    for number in (1, 3, 4):
        part = path_of(out, Shard(number, 4))
        score(pool / "pool", part, config=config, run=run, shard=f"{number}/4")
    damaged = path_of(out, Shard(3, 4))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(UsageError, match=r"w\.h5\.parts exists already"):
        score(pool / "pool", out, **options)
    other = config.with_score(stride=8)
    with pytest.raises(StoreError, match="other settings; these differ: stride"):
        score(pool / "pool", out, resume=True, **options | {"config": other})
    result = score(pool / "pool", out, resume=True, **options)
    assert here == [2, 3]
    assert result.scored + result.failed + result.skipped == 21
    assert result.skipped == 5 + 6
    assert_same_scores(out, pool / "alone.h5")


def test_parts_that_failed_are_told_and_the_others_kept(pool, finished_run, tmp_path, monkeypatch):
    config, run = finished_run
    failing = Done({1: None}, {2: "the disk is full.", 3: "no."}, {})
    monkeypatch.setattr("curate.cluster.ray_pool.do_parts", lambda *_: failing)
    monkeypatch.setattr("curate.cluster.ray_cluster.import_ray", lambda: None)
    with pytest.raises(
        RunError, match=r"2 of 3 parts could not .* Part 2: the disk is full\. Mend"
    ):
        score(
            pool / "pool", tmp_path / "w.h5", config=config, run=run, ray=Cluster(), part_images=7
        )
    assert (tmp_path / "w.h5.parts/parts.json").exists() is False
    assert (tmp_path / "w.h5.parts").is_dir()


def test_a_part_of_an_array_is_not_cut_again(pool, finished_run, tmp_path):
    config, run = finished_run
    with pytest.raises(UsageError, match="leave out --shard"):
        score(pool / "pool", tmp_path / "w.h5", config=config, run=run, ray=Cluster(), shard="1/2")


@pytest.mark.ray
@pytest.mark.slow
def test_driver_that_is_killed_goes_on_where_it_was(pool, finished_run, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed")
    _, run = finished_run
    out = tmp_path / "w.h5"
    command = [sys.executable, "-m", "curate", "score", pool / "pool", "--out", out, "--run", run]
    command += ["--trust-run", "--ray", "--part-images", "3", "--json"]
    options = {
        "cwd": run.parent.parent,
        "env": os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    }
    driver = subprocess.Popen(command, **options)
    end = time.monotonic() + 180
    while not list(tmp_path.glob("w.h5.parts/*.sha256")):
        assert driver.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("w.h5.parts/*.sha256")}
    assert finished
    done = subprocess.run(
        [*command, "--resume"], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["skipped"] >= 3 * len(finished)
    assert told["scored"] + told["skipped"] + told["failed"] == 21
    assert_same_scores(out, pool / "alone.h5")


@pytest.mark.ray
@pytest.mark.slow
def test_node_that_dies_while_it_scores_changes_no_value(pool, finished_run, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster as Local

    config, run = finished_run
    local = Local(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes, out, gone = [local.add_node(num_cpus=1) for _ in range(2)], tmp_path / "w.h5", []

    class Disturbing(RecordingReporter):
        def advance(self, done, values=None):
            if done and not gone:
                gone.append(local.remove_node(nodes[0], allow_graceful=False))

    ray.init(address=local.address, log_to_driver=False, logging_level="ERROR")
    try:
        result = score(
            pool / "pool", out, config=config, run=run, trust_run=True, ray=Cluster(),
            part_images=3, reporter=Disturbing(),
        )  # fmt: skip
    finally:
        ray.shutdown()
        local.shutdown()
    assert gone
    assert result.scored + result.skipped == 20
    assert_same_scores(out, pool / "alone.h5")


class FullDisk(on_ray.PartMaker):
    """Scores parts: in vain on the node whose disk is full, and on the other one after that."""

    def _score(self, *work):
        kind, _, mark = os.environ["CURATE_TEST_DISK"].partition(":")

        def refuse(*_):
            Path(mark).touch()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        if kind == "full":
            os.pwrite = refuse
        end = time.monotonic() + 120
        while kind == "whole" and not Path(mark).exists() and time.monotonic() < end:
            time.sleep(0.05)
        return super()._score(*work)


@pytest.mark.ray
@pytest.mark.slow
def test_full_disk_on_one_node_leaves_its_parts_to_the_others(
    pool, finished_run, tmp_path, monkeypatch
):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster as Local

    config, run = finished_run
    mark, out = tmp_path / "was_full", tmp_path / "w.h5"
    local = Local(initialize_head=True, head_node_args={"num_cpus": 0})
    for kind in ("full", "whole"):
        local.add_node(num_cpus=1, env_vars={"CURATE_TEST_DISK": f"{kind}:{mark}"})
    monkeypatch.setattr(on_ray, "PartMaker", FullDisk)
    ray.init(address=local.address, log_to_driver=False, logging_level="ERROR")
    try:
        local.wait_for_nodes()
        result = score(
            pool / "pool", out, config=config, run=run, trust_run=True, ray=Cluster(),
            part_images=3,
        )  # fmt: skip
    finally:
        ray.shutdown()
        local.shutdown()
    assert mark.exists()
    assert (result.scored + result.skipped, result.failed) == (20, 1)
    assert_same_scores(out, pool / "alone.h5")


def test_teller_tells_how_far_a_part_is():
    told = []
    teller = on_ray._Teller(told.append)
    teller.start("score", 9)
    teller.advance(4, {"loss": 1.0})
    assert told == [4]
