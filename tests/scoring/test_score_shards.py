"""Data sets in shards are trained on and scored as their files are."""

from __future__ import annotations

import numpy as np
import pytest

from curate.config import DatasetConfig
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.training.fit import fit
from curate.training.run_record import read_splits
from tests.data.shards.making import write_mds, write_parquet, write_tar
from tests.tiny import tiny_config, write_dataset

SHARDS = {
    "webdataset": lambda root, rows: [
        write_tar(
            root / f"{part}.tar",
            {f"{n:03d}{end}": content for n, row in enumerate(rows) if n % 2 == part
             for end, content in zip((".png", ".seg.png"), row, strict=True)},
        )
        for part in (0, 1)
    ],
    "parquet": lambda root, rows: write_parquet(root / "train.parquet", rows),
    "mds": write_mds,
}  # fmt: skip


def read_rows(root):
    """The bytes of each image and its label."""
    paths = sorted((root / "images").iterdir())
    return [(path.read_bytes(), (root / "labels" / path.name).read_bytes()) for path in paths]


@pytest.mark.parametrize("kind", SHARDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_every_score_is_that_of_the_files(finished_run, tmp_path, kind, workers):
    config, _ = finished_run
    root = write_dataset(tmp_path / "pool", 7, is_flat=True, seed=5)
    SHARDS[kind](tmp_path / "shards", read_rows(root))
    options = {"config": config, "workers": workers}
    score(root, tmp_path / "files.h5", **options)
    score(tmp_path / "shards", tmp_path / "shards.h5", **options)
    one, other = ScoreFile(tmp_path / "files.h5"), ScoreFile(tmp_path / "shards.h5")
    assert other.provenance["dataset"]["layout"] == kind
    assert (other.images["status"] == "ok").all()
    key = other.images["id"].str.rpartition("/")[2].astype(int)
    columns = ["score", "weight", "region_score", "pixel_score", "valid_px"]
    found = other.images.assign(key=key).sort_values("key")[columns]
    assert np.array_equal(found, one.images[columns])


def test_runs_draw_from_shards(tmp_path):
    config = tiny_config(tmp_path, steps=4)
    SHARDS["webdataset"](tmp_path / "shards", read_rows(tmp_path / "synthetic"))
    sets = {"synthetic": (DatasetConfig(path=tmp_path / "shards"),)}
    run = fit(config.model_copy(update=sets)).run
    splits = read_splits(run)
    odd = {f"s0:1/{number:03d}" for number in (1, 3, 5, 7)}
    assert {key for key in splits if key.startswith("s0:1/")} == odd
