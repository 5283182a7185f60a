"""Columns and maps of the kinds of evidence that a score is made of."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from curate.errors import StoreError, UsageError
from curate.scores.merge import merge
from curate.scores.provenance import schema_of
from curate.scores.score_file import ScoreFile
from tests.scores.making import (
    STREAM_PROVENANCE,
    assert_near,
    failed_image,
    open_writer,
    scored_image,
    write_scores,
)

INACTIVE = float("nan")
COLUMNS = ["stream_corruption", "stream_appearance"]
KINDS = {"h5": ".h5", "tables": ".parquet", "shards": ""}


def with_streams(image_id, corruption, appearance=INACTIVE, score=0.5):
    return scored_image(
        image_id, score, streams={"corruption": corruption, "appearance": appearance}
    )


IMAGES = [with_streams("a", 0.2, 0.6), failed_image("b"), with_streams("c", 0.4, 0.8)]


def write_streams(out, images=IMAGES, provenance=STREAM_PROVENANCE, **options):
    return write_scores(out, images, provenance=provenance, **options)


@pytest.mark.parametrize("suffix", KINDS.values(), ids=KINDS)
def test_each_stream_is_a_column_of_both_tables(tmp_path, suffix):
    scores = ScoreFile(write_streams(tmp_path / f"w{suffix}"))
    assert scores.streams == ("corruption", "appearance")
    assert scores.images.columns.tolist()[-2:] == COLUMNS
    assert_near(scores.images["stream_corruption"], [0.2, np.nan, 0.4])
    assert_near(scores.image_column("stream_appearance"), [0.6, np.nan, 0.8])
    assert_near(scores.regions["stream_corruption"], [0.2, 0.8, 0.4, 0.6])
    assert_near(scores.region_column("stream_appearance"), [0.6, 0.4, 0.8, 0.2])
    assert scores.images_arrow(COLUMNS).column_names == COLUMNS
    assert scores.regions_arrow().column_names[-2:] == COLUMNS


def test_columns_stand_in_plain_files(tmp_path):
    out = write_streams(tmp_path / "w.h5")
    with h5py.File(out) as raw:
        for table in ("images", "regions"):
            assert [name for name in raw[table] if name.startswith("stream_")] == sorted(COLUMNS)
            assert raw[f"{table}/stream_corruption"].dtype == np.float32
    for table in ("images", "regions"):
        names = pq.read_schema(tmp_path / f"w.{table}.parquet").names
        assert names[-2:] == COLUMNS


def test_files_of_methods_without_streams_have_none(tmp_path):
    out = write_scores(tmp_path / "w.h5", [scored_image("a")])
    scores = ScoreFile(out)
    assert (scores.streams, scores.has_stream_maps) == ((), False)
    with h5py.File(out) as raw:
        assert sorted(raw) == [
            "images",
            "pixel_scores",
            "pixel_weights",
            "region_ids",
            "regions",
        ]
    with pytest.raises(UsageError, match="no stream 'corruption': name some of none"):
        scores.pixel_scores("a", stream="corruption")


@pytest.mark.parametrize("suffix", [".h5", ""], ids=["h5", "shards"])
def test_maps_of_streams_are_those_of_their_stream(tmp_path, suffix):
    scores = ScoreFile(write_streams(tmp_path / f"w{suffix}"))
    assert scores.has_stream_maps
    assert scores.pixel_scores("c", stream="corruption").tolist() == [[102, 102]] * 2
    for _ in range(2):  # looked up, then read from where it was
        assert scores.pixel_scores("a", stream="appearance").tolist() == [[153, 153]] * 2
        assert scores.pixel_scores("a").tolist() == [[128, 128]] * 2
    found = scores.score_map("a", stream="corruption", crop=(1, 1, 2, 3))
    np.testing.assert_allclose(found, np.full((2, 3), 0.2), atol=1e-7)
    with pytest.raises(UsageError, match="no stream 'plant': name some of corruption, appearance"):
        scores.score_map("a", stream="plant")


def test_maps_of_streams_are_stored_like_pixel_scores(tmp_path):
    with h5py.File(write_streams(tmp_path / "w.h5")) as raw:
        nodes = [raw["pixel_scores/2x2"], raw["stream_scores/corruption/2x2"]]
        assert [dict(node.attrs) for node in nodes] == [{"stride": 2, "scale": 1 / 255}] * 2
        assert [node.compression for node in nodes] == ["gzip", "gzip"]
        assert [node.chunks for node in nodes] == [(1, 2, 2)] * 2
        assert raw["stream_scores/corruption/2x2"].shape == (2, 2, 2)


def test_maps_that_were_not_kept_are_an_error_that_says_what_to_do(tmp_path):
    bare = {key: value for key, value in STREAM_PROVENANCE.items() if key != "stream_maps"}
    out = write_streams(tmp_path / "w.h5", provenance=bare)
    with h5py.File(out) as raw:
        assert "stream_scores" not in raw
    for path in (out, write_streams(tmp_path / "t.parquet")):
        with pytest.raises(StoreError, match=r"without maps of streams\. Score .* --stream-maps"):
            ScoreFile(path).pixel_scores("a", stream="corruption")


def test_inactive_stream_is_nan_and_has_no_map(tmp_path):
    scores = ScoreFile(write_streams(tmp_path / "w.h5", [with_streams("a", 0.2)]))
    assert np.isnan(scores.images["stream_appearance"]).all()
    assert np.isnan(scores.regions["stream_appearance"]).all()
    with pytest.raises(StoreError, match=r"stream 'appearance' is inactive, it has no map of 'a'"):
        scores.pixel_scores("a", stream="appearance")


def test_map_that_is_missing_is_not_written(tmp_path):
    image = replace(with_streams("a", 0.2), stream_scores={})
    with (
        open_writer(tmp_path / "w.h5", STREAM_PROVENANCE) as writer,
        pytest.raises(StoreError, match="a map of image 'a' is missing"),
    ):
        writer.append([image])


@pytest.mark.parametrize("suffix", KINDS.values(), ids=KINDS)
def test_resumed_file_is_the_one_written_at_once(tmp_path, suffix):
    out = tmp_path / f"w{suffix}"
    with open_writer(out, STREAM_PROVENANCE) as writer:
        writer.append(IMAGES[:1])
        writer.finish()
    with open_writer(out, STREAM_PROVENANCE, resume=True) as writer:
        writer.append(IMAGES[1:2])  # and the process dies
    with open_writer(out, STREAM_PROVENANCE, resume=True) as writer:
        writer.append(IMAGES[2:])
        writer.finish()
    assert_same(ScoreFile(out), ScoreFile(write_streams(tmp_path / f"whole{suffix}")))


@pytest.mark.parametrize("suffix", KINDS.values(), ids=KINDS)
def test_parts_become_the_file_that_one_scorer_writes(tmp_path, suffix):
    parts = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for part, images in zip(parts, (IMAGES[:2], IMAGES[2:]), strict=True):
        write_streams(part, images, dataset_root=tmp_path)
    whole = write_streams(tmp_path / f"whole{suffix}")
    merge(parts, tmp_path / f"all{suffix}")
    assert_same(ScoreFile(tmp_path / f"all{suffix}"), ScoreFile(whole))


def assert_same(one, other):
    assert one.images.equals(other.images)
    assert one.regions.equals(other.regions)
    assert one.streams == other.streams == ("corruption", "appearance")
    for image_id in ("a", "c") if one.has_maps else ():
        for stream in one.streams:
            first, second = (file.pixel_scores(image_id, stream=stream) for file in (one, other))
            assert (first == second).all()


@pytest.mark.parametrize(
    ("changes", "keys"),
    [({"streams": ["corruption"]}, "streams"), ({"stream_maps": False}, "stream_maps")],
)
def test_files_of_other_streams_are_not_merged(tmp_path, changes, keys):
    first = write_streams(tmp_path / "a.h5", IMAGES[:1])
    second = write_streams(tmp_path / "b.h5", IMAGES[2:], STREAM_PROVENANCE | changes)
    with pytest.raises(StoreError, match=rf"b\.h5 comes from .* these differ: {keys}\. Merge"):
        merge([first, second], tmp_path / "all.h5")
    plain = write_scores(tmp_path / "plain.h5", [scored_image("d")])
    with pytest.raises(StoreError, match=r"these differ: stream_maps, streams\."):
        merge([first, plain], tmp_path / "all.h5")


def test_streams_make_shards_smaller(tmp_path):
    settings = {"shard_bytes": 76_500}
    plain = write_scores(tmp_path / "plain", [scored_image(n) for n in "abcd"], **settings)
    images = [with_streams(n, 0.2, 0.6) for n in "abcd"]
    streams = write_streams(tmp_path / "streams", images, **settings)
    assert [len(list(folder.glob("*.h5"))) for folder in (plain, streams)] == [2, 4]
    assert ScoreFile(streams).pixel_scores("d", stream="corruption").tolist() == [[51, 51]] * 2


@pytest.mark.parametrize("names", ["corruption", ["../images"], ["a", "a"], [""], [1], {"a": 1}])
def test_hostile_names_of_streams_are_refused(names):
    with pytest.raises(StoreError, match="are no names of streams"):
        schema_of({"streams": names}, where="w.h5")


@pytest.mark.parametrize(
    ("table", "value", "problem"),
    [
        ("images", None, "images/stream_corruption' is missing"),
        ("regions", 1.5, r"'stream_corruption' has 1\.5 in row 0, which is not in \[0, 1\]"),
    ],
)
def test_missing_or_impossible_column_is_refused(tmp_path, table, value, problem):
    out = write_streams(tmp_path / "w.h5")
    with h5py.File(out, "a") as file:
        if value is None:
            del file[f"{table}/stream_corruption"]
        else:
            file[f"{table}/stream_corruption"][0] = value
    with pytest.raises(StoreError, match=problem):
        getattr(ScoreFile(out), table)
