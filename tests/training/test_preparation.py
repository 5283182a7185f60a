"""Methods that learn before the joint training: once, saved part by part, resumed anywhere."""

import os
import signal
from collections import Counter

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from curate.corruptions import CORRUPTIONS
from curate.errors import StoreError
from curate.files.checkpoint import load_state
from curate.methods.streams.streams import STREAMS
from curate.scoring.score import score
from curate.training import preparation
from curate.training.fit import fit
from curate.training.loaded_run import load_run
from curate.training.preparation import inject_corruptions
from curate.training.run_folder import RunFolder
from curate.training.task import open_task
from tests.methods.streams.making import draw_images
from tests.tiny import STREAMS_METHOD, RecordingReporter, tiny_config, write_dataset

METHOD = STREAMS_METHOD | {
    "reference_steps": 4,
    "epochs": 2,
    "corruptions": ["style", "wrong_label"],
}
PARTS = METHOD["folds"] + len(STREAMS) + 1


def config_of(root):
    return tiny_config(root, method=METHOD).with_fit(method="streams", steps=4, warmup=0.0)


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing interrupted, and what was reported of it."""
    reporter = RecordingReporter()
    config = config_of(tmp_path_factory.mktemp("undisturbed"))
    return config, fit(config, reporter=reporter).run, reporter


def test_streams_fit_and_score(undisturbed, tmp_path):
    config, run, reporter = undisturbed
    assert ("prepare", PARTS, 0, "parts") in reporter.tasks
    method = load_run(run, trust_run=True).networks.method
    assert int(method.num_learned) == PARTS
    result = score(config.root / "synthetic", tmp_path / "w.h5", config=config, run=run)
    assert result.scored == 9


def test_that_no_stream_is_active_is_warned_of(tmp_path):
    write_dataset(tmp_path / "synthetic", 6, is_flat=False, seed=1)  # the very same images
    config = tiny_config(tmp_path, method=METHOD).with_fit(method="streams", steps=4, warmup=0.0)
    reporter = RecordingReporter()
    result = fit(config, reporter=reporter)
    assert set(result.measured.values()) == {0.5}
    (told,) = [warning for warning in reporter.warnings if "no signal" in warning]
    assert "no stream finds" in told
    assert "Scores are uniform" in told
    assert "level" not in told


def test_of_large_images_fewer_are_read(config, monkeypatch):
    task = open_task(config, num_folds=2, reporter=RecordingReporter())
    gathered = preparation.gather_preparation(task, config)
    assert (len(gathered.real.keys), len(gathered.synthetic.keys)) == (6, 9)
    # 120 and 300 images of 8 x 12 cells, divided by 60
    monkeypatch.setattr(preparation, "MAX_CELLS", 420 * 96 // 60)
    monkeypatch.setattr(preparation, "FEWEST", 1)
    gathered = preparation.gather_preparation(task, config)
    assert (len(gathered.real.keys), len(gathered.synthetic.keys)) == (2, 5)
    monkeypatch.setattr(preparation, "FEWEST", 4)
    assert preparation.most_images((32, 48)) == (4, 5)


@pytest.mark.parametrize(
    "corruptions", [("noise", "wrong_label"), ("noise", "wrong_label", "mixture")]
)
def test_corruption_that_is_not_named_is_injected_nowhere(tmp_path, monkeypatch, corruptions):
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


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3, PARTS])
def test_preparation_that_was_killed_goes_on_to_the_same_run(
    config, undisturbed, tmp_path, monkeypatch, parts
):
    _, whole, _ = undisturbed
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_inside_a_part_is_obeyed_at_once_and_says_what_is_saved(
    config, tmp_path, monkeypatch, number
):
    steps, saved = [], []
    save = RunFolder.save
    monkeypatch.setattr(RunFolder, "save", lambda *given: (save(*given), saved.append(1)))

    def stop(*_):
        if saved:
            steps.append(1)
            os.kill(os.getpid(), number)

    hook = register_optimizer_step_pre_hook(stop)
    reporter = RecordingReporter()
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(config, out=tmp_path / "run", reporter=reporter)
    finally:
        hook.remove()
    assert len(steps) == 1  # not another one
    assert any(f"1 of {PARTS} parts of the preparation are saved" in w for w in reporter.warnings)


NAMES = ("style", "wrong_label")
FOLDS = [0] * 12


def inject(most, times=1):
    real = draw_images(12, "r0", is_real=True, seed=1)
    return list(inject_corruptions(real, 0, NAMES, times, most, FOLDS))


def corrupted(injected):
    return [item for item in injected if item[1].is_corrupted.any()]


def is_same(one, other):
    return (one.image == other.image).all() and (one.label_map == other.label_map).all()


@pytest.mark.parametrize("times", [1, 3])
def test_every_image_is_kept_as_it_is_and_gets_every_corruption_at_every_strength(times):
    injected = inject(most=10_000, times=times)
    assert Counter(row for row, _, _ in injected) == dict.fromkeys(range(12), 1 + 4 * times)
    assert len(corrupted(injected)) == 12 * 4 * times


@pytest.mark.parametrize(("most", "expected"), [(48, 48), (24, 24), (16, 16), (47, 24)])
def test_of_many_some_are_injected_all_equally_often(most, expected):
    injected, everything = inject(most), inject(most=10_000)
    chosen = corrupted(injected)
    assert len(chosen) == expected
    assert len(injected) == 12 + expected
    assert Counter(is_mismatch for _, _, is_mismatch in chosen) == {
        True: expected // 2,
        False: expected // 2,
    }
    per_image = Counter(row for row, _, _ in chosen)
    assert max(per_image.values()) - min(per_image[row] for row in range(12)) <= 1
    for row, one, _ in chosen:  # what is injected does not hang on how much is
        assert any(row == other_row and is_same(one, other) for other_row, other, _ in everything)
