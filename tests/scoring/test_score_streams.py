"""What the streams of a run say, from the networks to the score file."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curate.errors import StoreError, UsageError
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from curate.scoring import writer_thread as writing
from curate.scoring.score import score
from curate.training.loaded_run import load_run
from tests.tiny import RecordingReporter, write_dataset


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Images whose left half looks synthetic, and whose right half looks real."""
    root = write_dataset(tmp_path_factory.mktemp("pool") / "pool", 7, is_flat=False, seed=3)
    flat = write_dataset(root.parent / "flat", 7, is_flat=True, seed=3)
    for path in (root / "images").iterdir():
        image, left = (np.array(Image.open(p)) for p in (path, flat / "images" / path.name))
        image[:, :28] = left[:, :28]
        Image.fromarray(image).save(path)
    return root


@pytest.fixture(scope="module")
def two_a_batch(streams_run):
    """Configuration and folder of the run, and two images a batch."""
    config, run = streams_run
    settings = config.score.model_copy(update={"batch_size": 2})
    return config.model_copy(update={"score": settings}), run


@pytest.fixture(scope="module")
def scored(two_a_batch, pool):
    """The whole data set, with maps of streams."""
    config, run = two_a_batch
    out = pool.parent / "weights.h5"
    score(pool, out, config=config.with_score(stream_maps=True), run=run)
    return ScoreFile(out)


@pytest.fixture(scope="module")
def active(two_a_batch):
    """Names of the streams that have something to say; at least one has."""
    names = list(load_run(two_a_batch[1], two_a_batch[0]).networks.method.fusion.active_streams)
    assert names
    return names


def test_every_stream_of_the_run_is_a_column(scored, two_a_batch, active):
    declared = load_run(two_a_batch[1], two_a_batch[0]).networks.method.streams
    assert scored.streams == declared
    assert scored.provenance["streams"] == list(declared)
    for name in declared:
        for table in (scored.images, scored.regions):
            assert table[f"stream_{name}"].isna().all() == (name not in active)


def test_scores_of_a_stream_are_the_means_of_its_own_map(scored, active):
    for name in active:
        for row, image_id in enumerate(scored.images["id"]):
            # every cell of a 40 x 56 image at stride 4 holds 16 valid pixels
            cells = scored.pixel_scores(image_id, stream=name) / 255
            value = scored.images[f"stream_{name}"][row]
            assert value == pytest.approx(cells.mean(), abs=1 / 254)
            regions = scored.regions[scored.regions["image"] == row]
            ids = scored.region_ids(image_id)
            means = [cells[ids == number].mean() for number in regions["region"]]
            assert regions[f"stream_{name}"].tolist() == pytest.approx(means, abs=1 / 254)
        own, combined = scored.regions[f"stream_{name}"], scored.regions["score"]
        assert abs(own - combined).max() > 0.02  # or a mean of the other would do


def test_streams_change_nothing_else(scored, two_a_batch, pool, tmp_path):
    config, run = two_a_batch
    score(pool, tmp_path / "plain.h5", config=config, run=run)
    plain = ScoreFile(tmp_path / "plain.h5")
    pd.testing.assert_frame_equal(plain.images, scored.images)
    pd.testing.assert_frame_equal(plain.regions, scored.regions)
    assert not plain.has_stream_maps
    with pytest.raises(StoreError, match="--stream-maps"):
        plain.score_map("images/000", stream=plain.streams[0])


def test_setting_keeps_maps_and_the_flag_beats_it(two_a_batch, pool, tmp_path):
    config, run = two_a_batch
    config = config.with_score(stream_maps=True)
    for name, flag, expected in (("a", None, True), ("b", False, False)):
        settings = config.with_score(stream_maps=flag)
        score(pool, tmp_path / f"{name}.h5", config=settings, run=run)
        assert ScoreFile(tmp_path / f"{name}.h5").has_stream_maps is expected


def test_columns_stay_where_levels_are_left_out(scored, two_a_batch, pool, tmp_path):
    config, run = two_a_batch
    score(pool, tmp_path / "w.h5", config=config, run=run, levels=("image",))
    images = ScoreFile(tmp_path / "w.h5").images
    columns = images.columns.difference(["map_size", "map_row"])
    pd.testing.assert_frame_equal(images[columns], scored.images[columns])
    with_maps = config.with_score(stream_maps=True)
    with pytest.raises(UsageError, match="levels = image keep no maps of pixels"):
        score(pool, tmp_path / "x.h5", config=with_maps, run=run, levels=("image",))


def test_parts_and_resumed_files_have_the_same_streams(
    scored, active, two_a_batch, pool, tmp_path, monkeypatch
):
    class Stop(RecordingReporter):
        def advance(self, done, values=None):
            raise KeyboardInterrupt

    config, run = two_a_batch
    options = {"config": config.with_score(stream_maps=True), "run": run}
    monkeypatch.setattr(writing, "PIECE_IMAGES", 2)
    with pytest.raises(KeyboardInterrupt):
        score(pool, tmp_path / "1.h5", shard="1/2", reporter=Stop(), **options)
    assert list((tmp_path / "1.h5.pieces").glob("piece-*.h5"))
    assert score(pool, tmp_path / "1.h5", shard="1/2", resume=True, **options).skipped > 0
    score(pool, tmp_path / "2.h5", shard="2/2", **options)
    merge([tmp_path / "1.h5", tmp_path / "2.h5"], tmp_path / "all.h5", root=tmp_path)
    merged = ScoreFile(tmp_path / "all.h5")
    pd.testing.assert_frame_equal(merged.images, scored.images, check_exact=True)
    pd.testing.assert_frame_equal(merged.regions, scored.regions, check_exact=True)
    for name in active:
        for image_id in scored.images["id"]:
            cells = [file.pixel_scores(image_id, stream=name) for file in (merged, scored)]
            assert np.array_equal(*cells)


def test_a_method_without_streams_keeps_its_file_as_it_was(finished_run, pool, tmp_path):
    config, run = finished_run
    score(pool, tmp_path / "w.h5", config=config, run=run)
    file = ScoreFile(tmp_path / "w.h5")
    assert file.streams == ()
    assert not {"streams", "stream_maps"} & set(file.provenance)
    assert not [name for name in file.images if name.startswith("stream_")]
    with pytest.raises(UsageError, match=r"'hierarchical' of .* has no streams: leave out --str"):
        score(pool, tmp_path / "x.h5", config=config.with_score(stream_maps=True), run=run)
    assert not (tmp_path / "x.h5.pieces").exists()
