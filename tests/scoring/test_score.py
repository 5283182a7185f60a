import json
import os
import signal

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curate.errors import DataError, RunError, UsageError
from curate.files.state import latest_scores
from curate.methods.hierarchical.method import Hierarchical
from curate.metrics import auroc
from curate.records import WEIGHT_NAMES
from curate.scores.score_file import ScoreFile
from curate.scoring import writer_thread as writing
from curate.scoring.score import score
from curate.training.fit import fit
from curate.training.run_record import read_splits
from tests.tiny import RecordingReporter, tiny_config, write_dataset


@pytest.fixture(scope="module")
def scored(finished_run, tmp_path_factory):
    """A data set with every kind of broken file, scored: config, data set, file, result."""
    config, _ = finished_run
    root = write_dataset(tmp_path_factory.mktemp("pool") / "pool", 12, is_flat=True, seed=3)
    (root / "images/001.png").write_bytes(b"")
    (root / "labels/002.png").unlink()
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(root / "labels/003.png")
    Image.fromarray(np.full((40, 56), 255, dtype=np.uint8)).save(root / "labels/004.png")
    Image.fromarray(np.full((40, 56), 9, dtype=np.uint8)).save(root / "labels/005.png")
    out = root.parent / "weights.h5"
    reporter = RecordingReporter()
    return config, root, out, score(root, out, config=config, reporter=reporter), reporter


def test_problems_become_statuses_and_the_rest_is_scored(scored):
    _, _, out, result, reporter = scored
    assert (result.scored, result.failed, result.skipped) == (7, 5, 0)
    images = ScoreFile(out).images.set_index("id")
    assert images["status"].to_dict() == {
        "images/000": "ok",
        "images/001": "unreadable_image",
        "images/002": "missing_label",
        "images/003": "size_mismatch",
        "images/004": "all_ignored",
        "images/005": "unmapped_ids",
    } | {f"images/{i:03d}": "ok" for i in range(6, 12)}
    assert images.loc["images/001":"images/005", "score"].isna().all()
    assert images.loc["images/000", "score"] > 0
    assert "5 images have no score" in reporter.warnings[0]


def test_image_scores_are_the_means_of_what_is_stored(scored):
    _, _, out, result, _ = scored
    file = ScoreFile(out)
    with h5py.File(out) as raw:
        stored = raw["pixel_scores/10x14"]
        assert stored.shape == (7, 10, 14)
        assert (stored.dtype, stored.attrs["stride"]) == (np.uint8, 4)
        # every cell of a 40 x 56 image at stride 4 holds 16 valid pixels
        mean = stored[0].mean() * stored.attrs["scale"]
    row = file.images.set_index("id").loc["images/000"]
    assert row["score"] == pytest.approx(mean, abs=1 / 255)
    assert row["valid_px"] == 40 * 56
    levels = [row[f"{level}_score"] for level in ("image", "region", "pixel")]
    assert row["score"] == pytest.approx(np.mean(levels), abs=1e-6)
    assert result.regions == len(file.regions)


def test_weights_follow_from_scores_by_the_rule_of_the_run_and_have_mean_1(scored):
    _, _, out, _, _ = scored
    file = ScoreFile(out)
    ok = file.images[file.images["status"] == "ok"]
    for name in WEIGHT_NAMES:
        assert np.average(ok[name], weights=ok["valid_px"]) == pytest.approx(1, abs=1e-5)
    assert file.provenance["rank_by"] == "score"
    rule = file.provenance["weight_rule"]
    cells = file.pixel_scores("images/000") / 255
    bounded = np.minimum(cells ** rule["power"] / rule["mean_power"], rule["clip"])
    weights = rule["uniform"] + (1 - rule["uniform"]) * bounded / rule["mean_clipped"]
    with h5py.File(out) as raw:
        mean = json.loads(raw.attrs["weight_means"])[0]
    found = file.pixel_weights("images/000") * mean
    np.testing.assert_allclose(found, weights, atol=rule["largest"] / 255)
    assert weights.max() <= rule["largest"] * (1 + 1e-5)


def test_regions_tile_the_image(scored):
    _, _, out, _, _ = scored
    file = ScoreFile(out)
    rows = file.images.index[file.images["id"] == "images/000"]
    regions = file.regions[file.regions["image"] == rows[0]]
    assert regions["area_px"].sum() == 40 * 56
    ids, counts = np.unique(file.region_ids("images/000"), return_counts=True)
    assert regions["region"].tolist() == ids.tolist()
    assert regions["area_px"].tolist() == (counts * 16).tolist()


def test_scores_tell_real_from_synthetic(tmp_path):
    method = {"inputs": ["image"], "min_class_px": 10, "learning_rate": 0.01}
    config = tiny_config(tmp_path, method=method, steps=60)
    fit(config)
    areas = []
    for name, is_flat, seed in (("new_real", False, 11), ("new_synthetic", True, 12)):
        root = write_dataset(tmp_path / name, 8, is_flat=is_flat, seed=seed)
        score(root, tmp_path / f"{name}.h5", config=config)
        areas.append(ScoreFile(tmp_path / f"{name}.h5").images["score"].to_numpy())
    domain = np.repeat([True, False], 8)
    assert auroc(np.concatenate(areas), domain) > 0.9


def test_images_of_the_training_are_recognised_and_others_are_not(
    finished_run, tmp_path, monkeypatch
):
    config, run = finished_run
    synthetic = config.root / "synthetic"
    config = config.model_copy(update={"root": tmp_path})
    seen = []
    scores = Hierarchical.scores

    def record(self, evidence):
        seen.extend(evidence.keys)
        return scores(self, evidence)

    monkeypatch.setattr(Hierarchical, "scores", record)
    score(synthetic, tmp_path / "known.h5", config=config, run=run)
    assert set(seen) <= set(read_splits(run))
    assert len(set(seen)) == 9
    seen.clear()
    root = write_dataset(tmp_path / "pool", 2, is_flat=True, seed=3)
    score(root, tmp_path / "new.h5", config=config, run=run)
    assert set(seen) == {"new:images/000", "new:images/001"}


def test_the_newest_score_file_is_remembered(scored):
    config, _, out, _, _ = scored
    assert latest_scores(config.root) == [out]


def test_run_and_data_set_are_told_first(finished_run, tmp_path):
    config, run = finished_run
    reporter = RecordingReporter()
    root = write_dataset(tmp_path / "pool", 2, is_flat=True, seed=3)
    score(root, tmp_path / "w.h5", config=config, levels=("image",), reporter=reporter)
    assert reporter.notes[0].splitlines() == [
        f"Run: {run} (hierarchical, 32x48)",
        f"Data set: pool at {root} (folder, 2 images)",
    ]


def test_existing_output_is_not_overwritten_unasked(scored):
    config, root, out, _, _ = scored
    with pytest.raises(UsageError, match="--overwrite"):
        score(root, out, config=config)


def test_interrupted_scoring_resumes_to_the_same_file(scored, tmp_path, monkeypatch):
    config, root, out, _, _ = scored
    monkeypatch.setattr(writing, "PIECE_IMAGES", 3)

    class Interrupting(RecordingReporter):
        def advance(self, done, values=None):
            if done >= 6 and self.tasks[-1][0] == "score":
                os.kill(os.getpid(), signal.SIGINT)

    target = tmp_path / "weights.h5"
    with pytest.raises(KeyboardInterrupt):
        score(root, target, config=config, reporter=Interrupting())
    assert not target.exists()
    result = score(root, target, config=config, resume=True)
    assert result.skipped > 0
    assert result.skipped + result.scored == 7
    first, second = ScoreFile(out), ScoreFile(target)
    pd.testing.assert_frame_equal(first.images, second.images)
    pd.testing.assert_frame_equal(first.regions, second.regions)
    for image_id in first.images.query("status == 'ok'")["id"]:
        assert np.array_equal(first.pixel_scores(image_id), second.pixel_scores(image_id))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "weights.h5",
        "weights.images.parquet",
        "weights.regions.parquet",
    ]


def test_failed_images_are_tried_again_on_resume(finished_run, tmp_path, monkeypatch):
    config, _ = finished_run
    root = write_dataset(tmp_path / "pool", 3, is_flat=True, seed=3)
    good = (root / "labels/001.png").read_bytes()
    (root / "labels/001.png").write_bytes(b"\0" * len(good))
    out = tmp_path / "weights.h5"
    assert score(root, out, config=config).failed == 1
    (root / "labels/001.png").write_bytes(good)
    result = score(root, out, config=config, resume=True)
    assert (result.skipped, result.scored, result.failed) == (2, 1, 0)
    assert (ScoreFile(out).images["status"] == "ok").all()


def test_levels_can_be_left_out(finished_run, tmp_path):
    config, _ = finished_run
    root = write_dataset(tmp_path / "pool", 2, is_flat=True, seed=3)
    score(root, tmp_path / "weights.h5", config=config, levels=("image",))
    with h5py.File(tmp_path / "weights.h5") as raw:
        assert "pixel_scores" not in raw
        assert raw["images/score"].shape == (2,)


def test_unknown_levels_are_refused(finished_run, tmp_path):
    with pytest.raises(UsageError, match="name one or more of image, region, pixel"):
        score(tmp_path, tmp_path / "weights.h5", config=finished_run[0], levels=("pixels",))


def test_a_data_set_without_a_scorable_image_is_an_error_and_leaves_no_file(finished_run, tmp_path):
    root = write_dataset(tmp_path / "pool", 2, is_flat=True, seed=3)
    for path in (root / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 2 images of .* cannot be used"):
        score(root, tmp_path / "weights.h5", config=finished_run[0])
    assert not (tmp_path / "weights.h5").exists()


def test_real_pixels_that_the_run_counted_are_told_to_the_look_at_the_set(
    finished_run, tmp_path, monkeypatch
):
    config, run = finished_run
    told = {}
    monkeypatch.setattr("curate.checking.judgement.look_before", lambda _, **how: told.update(how))
    root = write_dataset(tmp_path / "pool", 2, is_flat=True, seed=3)
    score(root, tmp_path / "weights.h5", config=config)
    counted = json.loads((run / "provenance.json").read_text())["real_class_px"]
    assert told["real_class_px"] == counted
    assert sum(counted) > 0


def test_a_uniform_run_gives_no_scores(tmp_path):
    config = tiny_config(tmp_path, method={}, steps=2)
    run = fit(config.with_fit(method="uniform")).run
    with pytest.raises(RunError, match="'uniform', which gives no scores"):
        score(tmp_path / "synthetic", tmp_path / "weights.h5", config=config, run=run)


def test_tampered_weights_are_refused(tmp_path):
    config = tiny_config(tmp_path, steps=2)
    run = fit(config).run
    path = run / "method.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(RunError, match="SHA-256 differs"):
        score(tmp_path / "synthetic", tmp_path / "weights.h5", config=config)


def test_an_unfinished_run_is_refused(tmp_path):
    class Stop(RecordingReporter):
        def advance(self, done, values=None):
            if values:  # of a step
                os.kill(os.getpid(), signal.SIGINT)

    config = tiny_config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config, reporter=Stop())
    run = tmp_path / "runs/run-0001"
    with pytest.raises(RunError, match="is not finished"):
        score(tmp_path / "synthetic", tmp_path / "weights.h5", config=config, run=run)
