"""Runs, score files and reports at URLs, in fsspec's memory: written whole, read as local ones."""

import pytest

from curate.config import DatasetConfig
from curate.errors import UsageError
from curate.files.state import latest_run, latest_scores
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.showing.report import report
from curate.training.fit import fit
from tests.remote.making import memory as memory
from tests.remote.making import upload
from tests.tiny import tiny_config, write_dataset

URL = "memory://bucket"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pool(memory, tmp_path):
    return upload(write_dataset(tmp_path / "pool", 7, is_flat=True, seed=3), f"{URL}/pool")


def test_whole_way_at_urls_gives_what_disks_give(finished_run, memory, tmp_path, pool):
    config = tiny_config(tmp_path)
    local_run, local_out = fit(config, out=tmp_path / "run").run, tmp_path / "w.h5"
    sets = {
        domain: (DatasetConfig(path=upload(tmp_path / domain, f"{URL}/{domain}")),)
        for domain in ("real", "synthetic")
    }
    there = config.model_copy(update=sets)
    run = fit(there, out=f"{URL}/run").run
    assert str(run) == f"{URL}/run"
    assert latest_run(tmp_path) == run
    score(tmp_path / "pool", local_out, config=config, run=local_run)
    result = score(pool, f"{URL}/w.h5", config=there)  # the newest run
    assert (str(result.out), result.run) == (f"{URL}/w.h5", run)
    assert latest_scores(tmp_path) == [result.out]
    with ScoreFile(result.out) as file, ScoreFile(local_out) as other:
        assert file.images.equals(other.images)
        assert (file.weight_map("images/003") == other.weight_map("images/003")).all()
    page = report([result.out], out=f"{URL}/report.html", project=tmp_path)
    assert page.images == 7
    assert memory.size("/bucket/report.html") == page.bytes


def test_parts_are_merged_from_and_to_urls(finished_run, memory, tmp_path, pool):
    config, _ = finished_run
    parts = [f"{URL}/part-{i}.h5" for i in (1, 2)]
    for i, part in enumerate(parts, start=1):
        score(pool, part, config=config, shard=f"{i}/2", is_noted=False)
    assert merge(parts, f"{URL}/all.h5", root=tmp_path).images == 7
    score(pool, f"{URL}/whole.h5", config=config, is_noted=False)
    with ScoreFile(f"{URL}/all.h5") as merged, ScoreFile(f"{URL}/whole.h5") as whole:
        assert merged.images.equals(whole.images)


def test_scores_that_are_there_are_resumed_or_refused(finished_run, memory, pool):
    config, _ = finished_run
    score(pool, f"{URL}/w.h5", config=config, is_noted=False)
    with pytest.raises(UsageError, match=r"w\.h5 exists: .* go on with --resume"):
        score(pool, f"{URL}/w.h5", config=config, is_noted=False)
    again = score(pool, f"{URL}/w.h5", config=config, is_noted=False, resume=True)
    assert (again.scored, again.skipped) == (0, 7)
    assert sorted(memory.ls("/bucket", detail=False))[-3:] == [
        "/bucket/w.h5",
        "/bucket/w.images.parquet",
        "/bucket/w.regions.parquet",
    ]


def test_array_task_cannot_score_into_a_url(finished_run, memory, pool, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    config, _ = finished_run
    with pytest.raises(UsageError, match="--shard auto, name a file on a disk"):
        score(pool, f"{URL}/w.h5", config=config, shard="auto/2")
