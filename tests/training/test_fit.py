import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from curate.errors import ConfigError, DataError, RunError, StoreError, UsageError
from curate.files import checkpoint
from curate.files.state import latest_run
from curate.training.fit import _warn_of_collapse, fit
from curate.training.run_record import MetricLog
from curate.training.trainer import Trainer
from tests.tiny import RecordingReporter, tiny_config, write_dataset

WEIGHTS = ("segmenter.safetensors", "method.safetensors")


def weights_of(run):
    return {name: (run / name).read_bytes() for name in WEIGHTS}


def test_finished_run_holds_everything_and_is_remembered(tmp_path):
    config = tiny_config(tmp_path)  # not the run that tests share, in which audits leave a record
    run = fit(config).run
    names = {path.name for path in run.iterdir()}
    assert names == {
        "run.json",
        "config.json",
        "provenance.json",
        "splits.parquet",
        "metrics.parquet",
        *WEIGHTS,
    }
    assert latest_run(config.root) == run
    metrics = pd.read_parquet(run / "metrics.parquet")
    assert metrics["step"].tolist() == [*range(1, 9), 8]
    assert metrics["auroc_pixel"].notna().sum() == 3


def test_joint_training_learns_both_tasks(tmp_path):
    reporter = RecordingReporter()
    method = {"inputs": ["image"], "min_class_px": 10, "learning_rate": 0.01}
    config = tiny_config(tmp_path, method=method, steps=80, evaluate_every=20)
    result = fit(config, reporter=reporter)
    losses = [values["loss_real"] for _, values in reporter.values if values]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])
    assert result.measured["auroc_pixel"] > 0.8


def test_result_is_the_same_for_the_same_seed_and_another_for_another(tmp_path, finished_run):
    first = weights_of(finished_run[1])
    reporter = RecordingReporter()
    assert weights_of(fit(tiny_config(tmp_path), reporter=reporter).run) == first
    assert any("Only 6 real images" in warning for warning in reporter.warnings)
    assert weights_of(fit(tiny_config(tmp_path, seed=1)).run) != first


def test_reading_in_processes_changes_nothing(tmp_path, finished_run):
    run = fit(tiny_config(tmp_path, workers=1)).run
    assert weights_of(run) == weights_of(finished_run[1])


@pytest.mark.parametrize("stop_after", [1, 3, 4, 7])
def test_interrupted_run_resumes_bit_for_bit(tmp_path, finished_run, stop_after):
    class Interrupting(RecordingReporter):
        def advance(self, done, values=None):
            if done == stop_after and self.tasks[-1][0] == "fit":
                os.kill(os.getpid(), signal.SIGINT)

    config = tiny_config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config, reporter=Interrupting())
    run = tmp_path / "runs/run-0001"
    assert json.loads((run / "run.json").read_text())["status"] == "running"
    resumed = fit(config, resume=True).run
    assert resumed == run
    assert weights_of(run) == weights_of(finished_run[1])
    pd.testing.assert_frame_equal(
        pd.read_parquet(run / "metrics.parquet"),
        pd.read_parquet(finished_run[1] / "metrics.parquet"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_run_resumes_bit_for_bit(tmp_path, finished_run, seed):
    program = (
        "from pathlib import Path; from tests.tiny import tiny_config; import sys;"
        "from curate.training.fit import fit; print('ready', flush=True);"
        "fit(tiny_config(Path(sys.argv[1])), resume=True)"
    )
    rng = np.random.default_rng(seed)
    tiny_config(tmp_path)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.8))
        process.kill()
        process.wait()
        process.stdout.close()
    run = fit(tiny_config(tmp_path), resume=True).run
    assert weights_of(run) == weights_of(finished_run[1])
    assert not [path for path in run.iterdir() if "partial" in path.name]


def test_resuming_a_finished_run_does_nothing_and_says_so(finished_run):
    config, run = finished_run
    before = weights_of(run)
    reporter = RecordingReporter()
    assert fit(config, resume=True, reporter=reporter).run == run
    assert "finished already" in reporter.warnings[0]
    assert weights_of(run) == before


def test_resuming_with_other_settings_is_refused(finished_run):
    config, run = finished_run
    with pytest.raises(ConfigError, match=r"other settings: fit\.steps .*8 then, 9 now"):
        fit(config.with_fit(steps=9), out=run, resume=True)


def test_an_existing_run_is_not_overwritten_unasked(finished_run):
    config, run = finished_run
    with pytest.raises(UsageError, match="--overwrite"):
        fit(config, out=run)


def test_files_of_a_user_in_a_run_folder_are_never_deleted(finished_run, tmp_path):
    config, run = finished_run
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    (copied / "notes.md").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds 'notes\.md', which 'curate fit' did not write"):
        fit(config, out=copied, overwrite=True)
    assert (copied / "notes.md").exists()


def test_a_foreign_folder_is_never_overwritten(tmp_path):
    config = tiny_config(tmp_path)
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("years of work")
    with pytest.raises(RunError, match="no run"):
        fit(config, out=foreign, overwrite=True)
    assert (foreign / "chapter.txt").exists()


def test_uniform_trains_on_real_images_alone(tmp_path):
    config = tiny_config(tmp_path, method={}).model_copy(update={"synthetic": ()})
    result = fit(config.with_fit(method="uniform"))
    assert (result.num_real, result.num_synthetic) == (6, 0)


def test_hierarchical_needs_a_synthetic_set(tmp_path):
    config = tiny_config(tmp_path).model_copy(update={"synthetic": ()})
    with pytest.raises(ConfigError, match="needs a synthetic data set"):
        fit(config)


def test_cross_fitting_and_adversarial_training_run(tmp_path):
    method = {"folds": 2, "adversarial": 0.001, "inputs": ["predictions", "label"]}
    result = fit(tiny_config(tmp_path, method=method))
    assert set(result.measured) >= {"auroc_pixel", "auroc_region", "auroc_image"}


@pytest.mark.parametrize(
    ("method", "settings", "text"),
    [
        (
            "streams",
            {"corruptions": ["style", "blurr"]},
            "'blurr' is no corruption.* Did you mean 'blur'",
        ),
        ("streams", {"appearance": ["stride2", "stride3"]}, "no stage 'stride3'"),
        ("streams", {"encoder": "resnet"}, "no segmenter 'resnet'"),
        ("hierarchical", {"inputs": ["label", "stride3"]}, "no stage 'stride3'"),
        ("hierarchical", {"inputz": ["label"]}, "unknown key 'inputz'. Did you mean 'inputs'"),
    ],
)
def test_unknown_names_in_the_methods_settings_are_refused_before_any_work(
    tmp_path, method, settings, text
):
    config = tiny_config(tmp_path, method=settings).with_fit(method=method)
    (tmp_path / "real").rename(tmp_path / "away")  # what is not there cannot be read
    with pytest.raises(ConfigError, match=text):
        fit(config)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path):
    config = tiny_config(tmp_path).with_fit(segmenter="efficientnet")
    with pytest.raises(ConfigError, match="no segmenter 'efficientnet'"):
        fit(config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_without_signal_are_warned_of(tmp_path):
    write_dataset(tmp_path / "synthetic", 6, is_flat=False, seed=1)  # the very same images
    reporter = RecordingReporter()
    method = {"inputs": ["label"], "levels": ["pixel"], "min_class_px": 10}
    result = fit(tiny_config(tmp_path, method=method), reporter=reporter)
    assert result.measured["auroc_pixel"] == pytest.approx(0.5)
    assert any("carry no signal" in warning for warning in reporter.warnings)


def test_unreadable_images_are_left_out_with_a_warning(tmp_path):
    config = tiny_config(tmp_path)
    (tmp_path / "real/images/000.png").write_bytes(b"")
    (tmp_path / "synthetic/images/004.png").write_bytes(b"\x89PNG")
    reporter = RecordingReporter()
    result = fit(config, reporter=reporter)
    assert result.num_real == 5
    assert any("unreadable_image" in warning for warning in reporter.warnings)


def replace_labels(folder, value):
    for path in (folder / "labels").iterdir():
        Image.fromarray(np.full((40, 56), value, dtype=np.uint8)).save(path)


@pytest.mark.parametrize(
    ("domain", "value", "text"),
    [
        ("real", 255, "6 of 6 images of .*real cannot be used"),
        ("real", 1, "one class only \\('thing'\\)"),
        ("synthetic", 255, "9 of 9 images of .*synthetic cannot be used"),
        ("real", 77, "ids 77 in 6 of 6 files"),
    ],
)
def test_labels_that_nothing_can_be_learned_from_are_refused(tmp_path, domain, value, text):
    config = tiny_config(tmp_path)
    replace_labels(tmp_path / domain, value)
    with pytest.raises(DataError, match=text):
        fit(config)
    assert not (tmp_path / "runs").exists()


def test_sets_without_a_shared_class_are_refused(tmp_path):
    config = tiny_config(tmp_path)
    for path in (tmp_path / "real/labels").iterdir():
        label_map = np.asarray(Image.open(path)).copy()
        label_map[label_map == 1] = 0
        Image.fromarray(label_map).save(path)
    replace_labels(tmp_path / "synthetic", 1)
    with pytest.raises(DataError, match="share no class"):
        fit(config)


def test_data_that_changed_stops_a_resume(tmp_path):
    class Stop(RecordingReporter):
        def advance(self, done, values=None):
            if values:  # of a step
                os.kill(os.getpid(), signal.SIGINT)

    config = tiny_config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(config, reporter=Stop())
    (tmp_path / "synthetic/images/000.png").unlink()
    with pytest.raises(DataError, match="changed since"):
        fit(config, resume=True)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, finished_run, monkeypatch):
    config = tiny_config(tmp_path)
    saved = checkpoint.save_state

    def fill_up(path, tensors, meta):
        if meta.get("step", 0) > 4:
            msg = "no space left"
            raise StoreError(msg)
        saved(path, tensors, meta)

    monkeypatch.setattr(checkpoint, "save_state", fill_up)
    with pytest.raises(StoreError, match="no space left"):
        fit(config)
    monkeypatch.undo()
    run = fit(config, resume=True).run
    assert weights_of(run) == weights_of(finished_run[1])


def test_weights_load_with_safetensors_alone(finished_run):
    tensors = load_file(finished_run[1] / "segmenter.safetensors")
    assert any(name.endswith("weight") for name in tensors)


def test_collapsed_weights_are_warned_of(tmp_path):
    log = MetricLog(tmp_path)
    for step in range(60):
        log.add(step, {"ess": 0.1})
    reporter = RecordingReporter()
    _warn_of_collapse(log, reporter)
    assert reporter.warnings == [
        "The weights collapse on few pixels: effective sample size 0.10 of 1. Raise min_ess in "
        "[method], or look at what scores high with 'curate score'."
    ]


def test_a_diverging_loss_ends_the_run_with_advice(tmp_path):
    with pytest.raises(RunError, match=r"not finite at step \d.*lower learning_rate than 1e\+30"):
        fit(tiny_config(tmp_path, learning_rate=1e30))


def test_running_out_of_memory_ends_the_run_with_advice(tmp_path, monkeypatch):
    def run_out(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Trainer, "step", run_out)
    with pytest.raises(RunError, match=r"batch_size = 4 at 32x48 pixels\. Lower one"):
        fit(tiny_config(tmp_path))


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_gets_the_measurements(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    run = fit(tiny_config(tmp_path, steps=2, tensorboard=True)).run
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_on_a_gpu_learns_as_on_a_cpu(tmp_path, precision):
    method = {"inputs": ["image"], "min_class_px": 10, "learning_rate": 0.01}
    config = tiny_config(
        tmp_path, method=method, steps=80, evaluate_every=20, device="cuda", precision=precision
    )
    result = fit(config)
    assert result.device.startswith("cuda")
    assert result.measured["auroc_pixel"] > 0.8
