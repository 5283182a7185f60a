"""Methods that learn before the joint training: once, saved part by part, resumed anywhere."""

import pandas as pd
import pytest
import torch

from curate.corruptions import CORRUPTIONS
from curate.errors import StoreError
from curate.files.checkpoint import load_state
from curate.methods.streams.streams import STREAMS
from curate.scoring.score import score
from curate.training.fit import fit
from curate.training.loading import load_run
from curate.training.run_folder import RunFolder
from tests.tiny import STREAMS_METHOD, RecordingReporter, tiny_config, write_dataset

METHOD = STREAMS_METHOD | {
    "reference_steps": 4,
    "epochs": 2,
    "corruptions": ["style", "wrong_label"],
}
PARTS = METHOD["folds"] + len(STREAMS) + 1


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path, method=METHOD).with_fit(method="streams", steps=4, warmup=0.0)


def test_streams_fit_and_score(config, tmp_path):
    reporter = RecordingReporter()
    run = fit(config, out=tmp_path / "run", reporter=reporter).run
    assert ("prepare", PARTS, 0, "parts") in reporter.tasks
    method = load_run(run).networks.method
    assert int(method.num_learned) == PARTS
    result = score(tmp_path / "synthetic", tmp_path / "w.h5", config=config, run=run)
    assert result.scored == 9


def test_silence_of_all_streams_is_told_in_their_words(tmp_path):
    write_dataset(tmp_path / "synthetic", 6, is_flat=False, seed=1)  # the very same images
    config = tiny_config(tmp_path, method=METHOD).with_fit(method="streams", steps=4, warmup=0.0)
    reporter = RecordingReporter()
    result = fit(config, reporter=reporter)
    assert set(result.measured.values()) == {0.5}
    (told,) = [warning for warning in reporter.warnings if "no signal" in warning]
    assert "no stream finds" in told
    assert "Weights are uniform" in told
    assert "level" not in told
    assert "ess" not in pd.read_parquet(result.run / "metrics.parquet")


@pytest.mark.parametrize(
    "corruptions", [("noise", "wrong_label"), ("noise", "wrong_label", "mixture")]
)
def test_kind_that_is_not_named_is_planted_nowhere(tmp_path, monkeypatch, corruptions):
    used = set()

    def watch(kind, corruption, apply):
        def watched(self, scene, draw):
            used.add(kind)
            return apply(self, scene, draw)

        monkeypatch.setattr(corruption, "apply", watched)

    for kind, corruption in CORRUPTIONS.items():
        watch(kind, type(corruption), type(corruption).apply)
    method = METHOD | {"corruptions": corruptions, "reference_steps": 1, "epochs": 1}
    fit(tiny_config(tmp_path, method=method, steps=2).with_fit(method="streams"))
    assert used == set(corruptions)


@pytest.mark.parametrize("parts", [1, 3, PARTS])
def test_preparation_that_was_killed_goes_on_to_the_same_run(config, tmp_path, monkeypatch, parts):
    whole = fit(config, out=tmp_path / "whole").run
    saved = []
    save = RunFolder.save

    def save_and_die(self, trainer, log, step):
        save(self, trainer, log, step)
        saved.append(step)
        if len(saved) == parts:
            msg = "killed"
            raise StoreError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", save_and_die)
        with pytest.raises(StoreError, match="killed"):
            fit(config, out=tmp_path / "cut")
    assert saved == [0] * parts
    reporter = RecordingReporter()
    cut = fit(config, out=tmp_path / "cut", resume=True, reporter=reporter).run
    started = [task for task in reporter.tasks if task[0] == "prepare"]
    assert all(done == parts for _, _, done, _ in started)
    for name in ("segmenter.safetensors", "method.safetensors"):
        expected, _ = load_state(whole / name)
        found, _ = load_state(cut / name)
        assert all(torch.equal(found[key], expected[key]) for key in expected), name


def test_interrupt_between_steps_says_what_is_saved(config, tmp_path, monkeypatch):
    class SetFlag:
        is_set = True

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("curate.training.preparing.InterruptFlag", SetFlag)
    reporter = RecordingReporter()
    with pytest.raises(KeyboardInterrupt):
        fit(config, out=tmp_path / "run", reporter=reporter)
    assert any(f"0 of {PARTS} parts of the preparation are saved" in w for w in reporter.warnings)
