import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curate.auditing import audit as audit_module
from curate.auditing import experiment
from curate.auditing.audit import audit
from curate.auditing.audited_images import held_out_candidates, read_images
from curate.corruptions import CORRUPTIONS
from curate.errors import DataError, RunError, UsageError
from curate.records import SCORE_NAMES
from curate.showing.trust import read_audit
from curate.training.fit import fit
from curate.training.loaded_run import load_run
from curate.training.run_record import read_splits
from tests.tiny import RecordingReporter, tiny_config, write_dataset


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Real images that no run has seen."""
    return write_dataset(tmp_path_factory.mktemp("more") / "val", 5, is_flat=False, seed=9)


def test_default_audit_injects_every_corruption_into_the_held_out_images(finished_run):
    config, run = finished_run
    reporter = RecordingReporter()
    result = audit(config=config, reporter=reporter)
    held_out = [k for k, split in read_splits(run).items() if split.held_out and k[0] == "r"]
    assert result.run == run
    assert result.images == len(held_out) > 0
    told = result.to_json()
    for level in ("pixel", "region", "image"):
        assert set(told[level]["by_corruption"]) == set(CORRUPTIONS)
        assert 0 <= told[level]["auroc"] <= 1
    assert reporter.tasks[0][1] == len(held_out) * (1 + 2 * len(CORRUPTIONS))
    kept = json.loads((run / "audit.json").read_text())
    assert kept["pixel"]["auroc"] == told["pixel"]["auroc"]
    assert read_audit(kept).levels["image"][0] == told["image"]["auroc"]


def test_only_held_out_images_are_corrupted(finished_run, monkeypatch):
    config, run = finished_run
    seen = set()
    genuine = audit_module.score_maps

    def spy(networks, device, batch):
        seen.update(batch.keys)
        return genuine(networks, device, batch)

    monkeypatch.setattr(audit_module, "score_maps", spy)
    audit(config=config, run=run, corruptions=["noise"])
    assert seen == {k for k, s in read_splits(run).items() if s.held_out and k.startswith("r0:")}


def test_named_images_are_used_instead(finished_run, strangers):
    config, run = finished_run
    reporter = RecordingReporter()
    result = audit(
        config=config, run=run, real=[strangers], corruptions=["noise"], reporter=reporter
    )
    assert result.images == 5
    assert result.corruptions == ("noise",)
    assert not any("training" in warning for warning in reporter.warnings)


def test_images_that_were_trained_on_are_warned_of(finished_run):
    config, run = finished_run
    reporter = RecordingReporter()
    audit(config=config, real=[config.real[0].path], corruptions=["noise"], reporter=reporter)
    learned = sum(not s.held_out for k, s in read_splits(run).items() if k.startswith("r0:"))
    assert any(f"{learned} of 6 images" in warning for warning in reporter.warnings)


def test_number_of_images_is_limited_and_few_are_warned_of(finished_run, strangers):
    config, run = finished_run
    reporter = RecordingReporter()
    result = audit(
        config=config, run=run, real=[strangers], corruptions=["blur"], images=2, reporter=reporter
    )
    assert result.images == 2
    assert reporter.notes[-2:] == [f"Run: {run} (hierarchical)", f"Images: 2 of 5 of {strangers}"]
    assert any("intervals" in warning for warning in reporter.warnings)


def test_same_seed_finds_the_same(finished_run, strangers):
    config, run = finished_run
    first, again, other = (
        audit(
            config=config, run=run, real=[strangers], corruptions=["style", "pasted"], seed=seed
        ).table
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_unreadable_images_are_left_out(finished_run, tmp_path):
    config, run = finished_run
    root = write_dataset(tmp_path / "val", 4, is_flat=False, seed=9)
    (root / "images/001.png").write_bytes(b"")
    ignored = np.full((40, 56), 255, np.uint8)
    Image.fromarray(ignored).save(root / "labels/002.png")
    reporter = RecordingReporter()
    result = audit(config=config, run=run, real=[root], corruptions=["blur"], reporter=reporter)
    assert result.images == 2
    assert any("2 of 4 real images are left out" in warning for warning in reporter.warnings)
    for path in (root / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of 4 real images can be used"):
        audit(config=config, run=run, real=[root])


def test_images_are_read_at_the_size_of_the_run_and_know_how_much_they_shrank(finished_run):
    _, run = finished_run
    candidates = held_out_candidates(load_run(run, trust_run=True))
    (image, *_) = read_images(candidates, (20, 28), count=9, reporter=RecordingReporter())
    assert (image.image.shape, image.label_map.shape) == ((3, 20, 28), (20, 28))
    assert image.shrinkage == 2.0


@pytest.fixture
def own_run(tmp_path):
    config = tiny_config(tmp_path, steps=2)
    return config, fit(config).run


def test_real_data_that_moved_is_an_error_with_advice(own_run, tmp_path):
    config, run = own_run
    shutil.move(tmp_path / "real", tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"does not exist.*Name held-out real images with --real"):
        audit(config=config, run=run)
    assert (
        audit(config=config, run=run, real=[tmp_path / "elsewhere"], corruptions=["blur"]).images
        == 6
    )


def test_real_data_that_changed_is_an_error_with_advice(own_run, tmp_path):
    config, run = own_run
    (tmp_path / "real/images/000.png").unlink()
    with pytest.raises(DataError, match=r"changed since .* --real DIR"):
        audit(config=config, run=run)


def test_a_run_without_scores_is_refused(tmp_path):
    config = tiny_config(tmp_path, method={}, steps=2).with_fit(method="uniform")
    run = fit(config).run
    with pytest.raises(RunError, match="gives no scores"):
        audit(config=config, run=run)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table_is_written_whole(finished_run, strangers, tmp_path, suffix):
    config, run = finished_run
    out = tmp_path / f"new/audit{suffix}"
    result = audit(config=config, run=run, real=[strangers], corruptions=["blur"], out=out)
    read = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert result.to_json()["out"] == str(out)
    pd.testing.assert_frame_equal(read, result.table, check_dtype=False)
    with pytest.raises(UsageError, match=r"exists.*--overwrite"):
        audit(config=config, run=run, real=[strangers], corruptions=["blur"], out=out)
    options = {"config": config, "run": run, "real": [strangers], "out": out}
    before = out.read_bytes()
    audit(corruptions=["blur"], resume=True, **options)
    with pytest.raises(UsageError, match=r"holds another audit.*--overwrite"):
        audit(corruptions=["noise"], resume=True, **options)
    assert out.read_bytes() == before
    audit(corruptions=["noise"], overwrite=True, **options)
    assert out.read_bytes() != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corruptions": ["blurr"]}, "Did you mean 'blur'"),
        ({"corruptions": []}, "No corruption is named"),
        ({"images": 0}, "at least one image"),
        ({"out": "audit.xlsx"}, r"has to end in \.csv or \.parquet"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(finished_run, options, message):
    config, _ = finished_run
    with pytest.raises(UsageError, match=message):
        audit(config=config, **options)


def test_interruption_passes_and_leaves_no_table(finished_run, strangers, tmp_path):
    class Impatient(RecordingReporter):
        def advance(self, done, values=None):
            if done == 7:
                raise KeyboardInterrupt

    config, run = finished_run
    out = tmp_path / "audit.csv"
    with pytest.raises(KeyboardInterrupt):
        audit(config=config, run=run, real=[strangers], out=out, reporter=Impatient())
    assert list(tmp_path.iterdir()) == []


def test_layout_and_labels_of_the_run_are_known(finished_run):
    config, run = finished_run
    bare = config.model_copy(update={"real": (), "synthetic": ()})
    assert audit(config=bare, run=run, corruptions=["blur"]).images >= 1


def test_streams_of_the_run_are_in_the_table(streams_run, strangers):
    config, run = streams_run
    corruptions = ["style", "wrong_label"]
    result = audit(config=config, run=run, real=[strangers], corruptions=corruptions)
    method = load_run(run, trust_run=True).networks.method
    assert result.streams == method.streams
    at_pixels = result.table[result.table["level"] == "pixel"]
    assert set(at_pixels["score"]) == {*SCORE_NAMES, *method.streams}
    told = result.to_json()["by_stream"]
    for name in method.streams:
        is_inactive = name not in method.fusion.active_streams
        assert [np.isnan(told[name][each]) for each in corruptions] == [is_inactive] * 2


def test_an_interrupted_audit_goes_on_to_the_same_result(finished_run, monkeypatch):
    config, run = finished_run
    config = config.model_copy(update={"score": config.score.model_copy(update={"batch_size": 1})})
    expected = audit(config=config, run=run, corruptions=["noise", "blur"])
    monkeypatch.setattr(experiment, "BLOCK_BATCHES", 2)
    genuine, seen = audit_module.score_maps, []

    def interrupted(networks, device, batch):
        seen.append(batch.keys)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return genuine(networks, device, batch)

    reporter = RecordingReporter()
    with monkeypatch.context() as patch:
        patch.setattr(audit_module, "score_maps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            audit(config=config, run=run, corruptions=["noise", "blur"], reporter=reporter)
    assert "--resume" in reporter.warnings[-1]
    unfinished = config.root / ".curate" / "audits"
    assert len(list(unfinished.glob("*/*.safetensors"))) == 1
    found = audit(config=config, run=run, corruptions=["noise", "blur"], resume=True)
    assert found.table.equals(expected.table)
    assert not list(unfinished.iterdir())
