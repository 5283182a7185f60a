"""Subsets of data sets in shards are shards of the same kind, or files that were taken out."""

from __future__ import annotations

import pytest

from curate.data.dataset import open_dataset
from curate.data.images import read_file
from curate.data.pairs import read_pair
from curate.errors import DataError
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.selection.export import export_subset
from tests.scoring.test_score_shards import SHARDS, read_rows
from tests.tiny import RecordingReporter, write_dataset


@pytest.fixture(scope="module")
def scored(finished_run, tmp_path_factory):
    """The same 7 images in tars and in Parquet, and their scores."""
    config, run = finished_run
    folder = tmp_path_factory.mktemp("shards")
    rows = read_rows(write_dataset(folder / "pool", 7, is_flat=True, seed=5))
    for kind in ("webdataset", "parquet"):
        SHARDS[kind](folder / kind, rows)
        score(folder / kind, folder / f"{kind}.h5", config=config, run=run)
    return folder, config


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_subset_is_in_shards_of_the_same_kind_with_weights(scored, tmp_path, kind):
    folder, config = scored
    reporter = RecordingReporter()
    out, scores = tmp_path / "subset", folder / f"{kind}.h5"
    result = export_subset(scores, out=out, count=3, reporter=reporter)
    assert result.selected == 3
    assert f"The data set is in shards: the subset is written in format {kind}." in reporter.notes
    classes = open_dataset(folder / "pool", classes=_classes(config)).classes
    found = open_dataset(out, classes=classes)
    assert len(found.pairs) == 3
    best = ScoreFile(scores).images.sort_values("score", ascending=False)["id"][:3]
    original = open_dataset(folder / kind, classes=classes)
    wanted = {pair.id: pair for pair in original.pairs}
    expected = sorted(read_pair(original, wanted[i]).label_map.sum().item() for i in best)
    assert sorted(read_pair(found, p).label_map.sum().item() for p in found.pairs) == expected
    names = [pair.image_path.rpartition("/") for pair in found.pairs]
    for shard, _, name in names:
        key = name.partition(".")[0]
        weights = read_file(out / shard / f"{key}.weights.png", "image")
        assert weights.startswith(b"\x89PNG")


def test_members_are_taken_out_for_formats_of_files(scored, tmp_path):
    folder, _ = scored
    out = tmp_path / "subset"
    export_subset(folder / "webdataset.h5", out=out, count=2, format="folder")
    images = sorted(path for path in (out / "images").rglob("*.png"))
    assert len(images) == 2
    assert not any(path.is_symlink() for path in images)
    contents = [content for content, _ in read_rows(folder / "pool")]
    assert all(path.read_bytes() in contents for path in images)


def test_shard_that_has_gone_is_told_before_the_work(scored, tmp_path):
    folder, _ = scored
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="4 of the 4 files to export are missing"):
        export_subset(
            folder / "webdataset.h5", out=tmp_path / "x", count=2, dataset=tmp_path / "empty"
        )


def _classes(config):
    from curate.data.classes import resolve_classes

    return resolve_classes(config.classes)
