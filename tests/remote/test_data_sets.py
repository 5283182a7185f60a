"""Data sets at URLs, in fsspec's memory, give what the same files on a disk give."""

import h5py
import numpy as np

from curate.remote.paths import as_path
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from tests.remote.making import memory as memory
from tests.remote.making import upload
from tests.tiny import write_dataset


def score_both(run, local, remote, folder, **options):
    """Score a data set and its remote copy; return both tables of images, and both files."""
    config, _ = run
    outs = folder / "local.h5", folder / "remote.h5"
    for root, out in zip((local, remote), outs, strict=True):
        score(root, out, config=config, **options)
    return [ScoreFile(out).images.drop(columns="message") for out in outs], outs


def same_maps(one, other):
    with h5py.File(one) as left, h5py.File(other) as right:
        names = [
            f"{group}/{size}" for group in ("pixel_scores", "region_ids") for size in left[group]
        ]
        return bool(names) and all(np.array_equal(left[name], right[name]) for name in names)


def test_set_at_a_url_scores_as_on_the_disk(finished_run, memory, tmp_path):
    local = write_dataset(tmp_path / "pool", 11, is_flat=True, seed=3)
    (local / "images/001.png").write_bytes(b"")
    (local / "labels/002.png").unlink()
    remote = upload(local, "memory://bucket/pool")
    (left, right), outs = score_both(finished_run, local, remote, tmp_path)
    assert right["status"].tolist()[:4] == ["ok", "unreadable_image", "missing_label", "ok"]
    assert left.equals(right)
    assert same_maps(*outs)
    assert ScoreFile(outs[1]).dataset_root == as_path("memory://bucket/pool")
