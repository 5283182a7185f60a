"""Which step is trained, measured, logged and saved, by a loop whose parts only take notes."""

import math
from types import SimpleNamespace

import pytest
import torch

from curate.config import AugmentConfig, Config, DatasetConfig
from curate.errors import RunError
from curate.job import ALONE
from curate.models import devices
from curate.training import loop
from curate.training.fit import _warn_of_collapse
from curate.training.loop import _count_workers, _step, train
from curate.training.run_record import MetricLog
from tests.tiny import RecordingReporter


class Notes(SimpleNamespace):
    """A trainer and a folder that write down what they are asked to do."""

    def __init__(self, config, device="cpu"):
        super().__init__(
            settings=config.fit,
            device=SimpleNamespace(device=torch.device(device)),
            world=ALONE,
            method=SimpleNamespace(weighs_uncropped=True),
            done=[],
            losses={"loss_real": 0.5, "loss_synthetic": 0.25},
        )

    def step(self, number, batch):
        self.done.append(("step", number, batch.name))
        return dict(self.losses)

    def evaluate(self, held_out, *, is_last):
        self.done.append(("evaluate", held_out, is_last))
        return {"auroc": 0.75}

    def save(self, trainer, log, done):
        assert trainer is self
        self.done.append(("save", done))

    def what_is_saved(self):
        return "Go on."


def make_config(tmp_path, **settings):
    config = Config(
        root=tmp_path,
        real=(DatasetConfig(path=tmp_path),),
        synthetic=(DatasetConfig(path=tmp_path),),
        augment=AugmentConfig(flip=0.25),
    )
    chosen = {"steps": 6, "batch_size": 4, "evaluate_every": 3, "checkpoint_every": 2}
    return config.with_fit(**(chosen | settings))


def run(monkeypatch, tmp_path, first_step=0, **settings):
    config = make_config(tmp_path, **settings)
    notes, log, reporter = Notes(config), MetricLog(tmp_path), RecordingReporter()
    task = SimpleNamespace(real=("real",), synthetic=("synthetic",), unusable=frozenset({"r0:x"}))
    asked = {}

    def batches(real, synthetic, **options):
        asked.update(options, real=real, synthetic=synthetic)
        for number in range(options["num_steps"]):
            yield SimpleNamespace(name=f"batch {number}", problems=())

    monkeypatch.setattr(loop, "training_batches", batches)
    train(notes, task, config, notes, log, ["held out"], first_step, reporter)
    return notes.done, log, reporter, asked


def test_steps_are_measured_and_saved_when_it_is_due(monkeypatch, tmp_path):
    done, log, _, _ = run(monkeypatch, tmp_path)
    assert done == [
        ("step", 0, "batch 0"),
        ("step", 1, "batch 1"),
        ("save", 2),
        ("step", 2, "batch 2"),
        ("evaluate", ["held out"], False),
        ("step", 3, "batch 3"),
        ("save", 4),
        ("step", 4, "batch 4"),
        ("step", 5, "batch 5"),  # the last one is measured later, when all is done
        ("save", 6),
    ]
    plain = {"loss_real": 0.5, "loss_synthetic": 0.25}
    expected = [{"step": number, **plain} for number in range(1, 7)]
    expected[2]["auroc"] = 0.75
    assert log.rows == expected


def test_last_step_is_saved_though_none_is_due(monkeypatch, tmp_path):
    done, _, _, _ = run(monkeypatch, tmp_path, steps=3, checkpoint_every=100, evaluate_every=100)
    assert [item for item in done if item[0] != "step"] == [("save", 3)]


def test_resumed_loop_goes_on_with_the_numbers_of_the_steps(monkeypatch, tmp_path):
    done, log, reporter, asked = run(monkeypatch, tmp_path, first_step=4)
    assert done == [("step", 4, "batch 0"), ("step", 5, "batch 1"), ("save", 6)]
    assert (asked["first_step"], asked["num_steps"]) == (4, 2)
    assert [row["step"] for row in log.rows] == [5, 6]
    assert reporter.tasks == [("fit", 6, 4, "steps")]
    assert [number for number, _ in reporter.values] == [5, 6]


def test_batches_are_those_of_the_settings(monkeypatch, tmp_path):
    _, _, _, asked = run(monkeypatch, tmp_path, seed=7, size=(40, 64), keep_mib=3)
    assert asked == {
        "real": ("real",),
        "synthetic": ("synthetic",),
        "size": (40, 64),
        "batch_size": 4,
        "seed": 7,
        "first_step": 0,
        "num_steps": 6,
        "augment": AugmentConfig(flip=0.25),
        "workers": 0,
        "pin_memory": False,
        "exclude": frozenset({"r0:x"}),
        "world": ALONE,
        "with_uncropped": True,
        "keep_bytes": 3 * 2**20,
        "shared": None,
    }


def test_interrupted_loop_saves_the_step_that_it_has_done(monkeypatch, tmp_path):
    config = make_config(tmp_path, checkpoint_every=100)
    notes, reporter = Notes(config), RecordingReporter()
    monkeypatch.setattr(loop, "training_batches", lambda *_, **__: endless())
    monkeypatch.setattr(loop, "any_rank", lambda flag: len(notes.done) >= 2)
    monkeypatch.setattr(loop, "_warn_of_unreadable", lambda *_: None)
    task = SimpleNamespace(real=(), synthetic=(), unusable=frozenset())
    with pytest.raises(KeyboardInterrupt):
        train(notes, task, config, notes, MetricLog(tmp_path), [], 0, reporter)
    assert [item[:2] for item in notes.done] == [("step", 0), ("step", 1), ("save", 2)]
    assert reporter.warnings == ["Interrupted. Go on."]


def endless():
    while True:
        yield SimpleNamespace(name="batch", problems=())


@pytest.mark.parametrize("name", ["loss_real", "loss_synthetic"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_ends_the_training(tmp_path, name, value):
    notes = Notes(make_config(tmp_path, learning_rate=0.5))
    assert _step(notes, 3, SimpleNamespace(name="a")) == notes.losses
    notes.losses[name] = value
    with pytest.raises(RunError, match=r"not finite at step 4 .* lower learning_rate than 0\.5"):
        _step(notes, 3, SimpleNamespace(name="a"))


@pytest.mark.parametrize(
    ("workers", "device", "expected"), [(None, "cpu", 0), (None, "cuda", 5), (3, "cuda", 3)]
)
def test_readers_are_as_many_as_the_device_needs(monkeypatch, tmp_path, workers, device, expected):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: range(5), raising=False)
    config = make_config(tmp_path, workers=workers)
    assert _count_workers(config, Notes(config, device)) == expected


@pytest.mark.parametrize(("ess", "warns"), [(0.19, True), (0.2, False), (None, False)])
def test_warning_where_few_pixels_carry_the_weight(tmp_path, ess, warns):
    log, reporter = MetricLog(tmp_path), RecordingReporter()
    if ess is not None:
        log.add(1, {"ess": ess})
    _warn_of_collapse(log, reporter)
    told = ["effective sample size 0.19 of 1" in warning for warning in reporter.warnings]
    assert told == ([True] if warns else [])


def test_recent_mean_is_that_of_the_last_fifty_rows_that_have_it(tmp_path):
    log = MetricLog(tmp_path)
    for number in range(60):
        log.add(number, {"ess": float(number)})
        log.add(number, {"other": 1.0})
    assert log.recent_mean("ess") == sum(range(10, 60)) / 50
    assert log.recent_mean("other") == 1
    assert log.recent_mean("missing") is None
