"""A job of several processes scores what one process does."""

import json

import numpy as np
import pandas as pd
import pytest

from curate.errors import StoreError
from curate.files.state import latest_scores
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from tests.tiny import RecordingReporter, write_dataset
from tests.torchrun import assert_says_once_that_a_process_died, run_job

KILLED_AT = "TEST_KILL_RANK_AT_IMAGE"

CODE = """
import os, signal, sys
from curate.cli import main
from curate.scoring.tally import Tally

def count(self, images, add=Tally.add):
    add(self, images)
    wanted = os.environ.get("TEST_KILL_RANK_AT_IMAGE")
    if wanted and os.environ["RANK"] == "1" and sum(self.statuses.values()) >= int(wanted):
        os.kill(os.getpid(), signal.SIGKILL)

Tally.add = count
main()
"""


@pytest.fixture(scope="module")
def pool(finished_run, tmp_path_factory):
    """A data set with a broken image, its scores by one process, and a program to start."""
    config, _ = finished_run
    folder = tmp_path_factory.mktemp("pool")
    root = write_dataset(folder / "pool", 21, is_flat=True, seed=3)
    (root / "images/004.png").write_bytes(b"")
    score(root, folder / "alone.h5", config=config)
    (folder / "program.py").write_text(CODE)
    return folder


def launch(pool, run, out, *flags, **options):
    """Score in two processes, by the command line."""
    command = ("--", pool / "program.py", "score", pool / "pool", "--out", out, "--run", run)
    flags = ("--trust-run", *flags)  # of a tiny segmenter of the tests
    return run_job(pool, *command, "--device", "cpu", "--json", *flags, **options)


def assert_same_scores(one, other):
    first, second = ScoreFile(one), ScoreFile(other)
    pd.testing.assert_frame_equal(first.images, second.images, check_exact=True)
    pd.testing.assert_frame_equal(first.regions, second.regions, check_exact=True)
    for image_id in first.images.query("status == 'ok'")["id"]:
        assert np.array_equal(first.pixel_scores(image_id), second.pixel_scores(image_id))
        assert np.array_equal(first.region_ids(image_id), second.region_ids(image_id))


@pytest.mark.slow
def test_two_processes_score_what_one_does_and_a_dead_one_is_made_up_for(pool, finished_run):
    _, run = finished_run
    dead = launch(pool, run, "two.h5", one_dies=True, **{KILLED_AT: "8"})
    assert dead.returncode == 1
    assert_says_once_that_a_process_died(dead)
    assert not (pool / "two.h5").exists()
    done = launch(pool, run, "two.h5", "--resume")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["skipped"] + result["scored"] == 20
    assert result["failed"] == 1
    assert_same_scores(pool / "alone.h5", pool / "two.h5")
    assert not [path.name for path in pool.iterdir() if "part" in path.name or "piece" in path.name]


def test_parts_of_a_job_array_are_merged_to_the_whole(pool, finished_run, tmp_path):
    config, _ = finished_run
    parts = [tmp_path / f"part{number}.h5" for number in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        result = score(pool / "pool", part, config=config, shard=f"{number}/3")
        assert result.scored + result.failed == 7
    assert not set(latest_scores(config.root)) & set(parts)
    result = merge(parts, tmp_path / "whole.h5", root=tmp_path)
    assert latest_scores(tmp_path) == [tmp_path / "whole.h5"]
    assert (result.scored, result.failed, result.missing) == (20, 1, 0)
    assert_same_scores(pool / "alone.h5", tmp_path / "whole.h5")


@pytest.mark.slow
def test_tasks_of_an_array_fill_a_folder_that_becomes_the_whole(
    pool, finished_run, tmp_path, monkeypatch
):
    config, _ = finished_run
    out = tmp_path / "whole.h5"
    for number in range(1, 31):  # more parts than images; that of the damaged one scores nothing
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
        result = score(pool / "pool", out, config=config, shard="auto/30")
        assert result.out == tmp_path / f"whole.h5.parts/part-{number:04d}-of-0030.h5"
    assert merge([f"{out}.parts"], out, root=tmp_path).parts == 30
    assert_same_scores(pool / "alone.h5", out)


def test_a_part_that_is_made_again_is_not_taken_for_finished(pool, finished_run, tmp_path):
    config, _ = finished_run
    part = tmp_path / "w.h5.parts/part-0001-of-0002.h5"

    class Stop(RecordingReporter):
        def advance(self, done, values=None):
            raise KeyboardInterrupt

    score(pool / "pool", part, config=config, shard="1/2")
    again = {"config": config, "shard": "1/2", "overwrite": True}
    with pytest.raises(KeyboardInterrupt):
        score(pool / "pool", part, reporter=Stop(), **again)
    with pytest.raises(StoreError, match="1: unfinished"):
        merge([part.parent], tmp_path / "w.h5")
    score(pool / "pool", part, resume=True, config=config, shard="1/2")
    with pytest.raises(StoreError, match=r"holds 1 of 2 parts, without 2:"):
        merge([part.parent], tmp_path / "w.h5")


@pytest.mark.slow
def test_two_processes_score_the_streams_that_one_does(pool, streams_run, tmp_path):
    config, run = streams_run
    score(pool / "pool", tmp_path / "alone.h5", config=config.with_score(stream_maps=True), run=run)
    done = launch(pool, run, tmp_path / "two.h5", "--stream-maps")
    assert done.returncode == 0, done.stderr
    assert_same_scores(tmp_path / "alone.h5", tmp_path / "two.h5")
    one, other = ScoreFile(tmp_path / "alone.h5"), ScoreFile(tmp_path / "two.h5")
    name = next(n for n in one.streams if one.images[f"stream_{n}"].notna().any())
    cells = [file.pixel_scores("images/000", stream=name) for file in (one, other)]
    assert np.array_equal(*cells)
