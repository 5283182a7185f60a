"""Trainings that share what is prepared and drawn end as they would by themselves."""

import json

import pytest
import torch

from curate.errors import RunError
from curate.files.checkpoint import load_state
from curate.training import fit as fitting
from curate.training import sharing
from curate.training.fit import fit
from curate.training.task import open_task
from tests.tiny import STREAMS_METHOD, RecordingReporter, tiny_config

METHOD = STREAMS_METHOD | {"reference_steps": 3, "epochs": 1, "corruptions": ["style"]}


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path, method=METHOD, steps=4, warmup=0.0).with_fit(method="streams")


def weights(run):
    return {
        f"{name}.{key}": tensor
        for name in ("segmenter", "method")
        for key, tensor in load_state(run / f"{name}.safetensors")[0].items()
    }


def assert_same(run, other):
    one, two = weights(run), weights(other)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def prepares(reporter):
    return "prepare" in [task for task, *_ in reporter.tasks]


@pytest.mark.slow
def test_a_method_and_its_control_prepare_once(config, tmp_path):
    shared, reporters = tmp_path / "shared", [RecordingReporter() for _ in range(3)]
    alone = fit(config, out=tmp_path / "alone", reporter=reporters[0])
    first = fit(config, out=tmp_path / "first", shared=shared, reporter=reporters[1])
    control = config.with_fit(method="streams:permuted")
    second = fit(control, out=tmp_path / "second", shared=shared, reporter=reporters[2])
    assert list(map(prepares, reporters)) == [True, True, False]
    assert_same(first.run, alone.run)
    assert_same(second.run, fit(control, out=tmp_path / "control").run)
    (kept,) = shared.glob("prepared-streams-*.safetensors")
    seconds = load_state(kept)[1]["seconds"]
    assert 0 < seconds < second.trained_seconds
    assert json.loads((second.run / "run.json").read_text())["result"]["trained_seconds"] > seconds


@pytest.mark.slow
def test_seeds_of_one_preparation_differ_in_the_training_alone(config, tmp_path):
    one, other, alone = (
        fit(config.with_fit(seed=seed, preparation_seed=5), out=tmp_path / name, shared=shared).run
        for name, seed, shared in (
            ("a", 0, tmp_path / "shared"), ("b", 1, tmp_path / "shared"), ("c", 1, None)
        )
    )  # fmt: skip
    assert_same(other, alone)  # whoever of them prepares
    prepared = [name for name in weights(one) if name.startswith("method.references")]
    assert prepared
    assert all(torch.equal(weights(one)[name], weights(other)[name]) for name in prepared)
    starts = [name for name in weights(one) if name.startswith("segmenter")]
    assert not all(torch.equal(weights(one)[name], weights(other)[name]) for name in starts)


@pytest.mark.slow
def test_another_run_of_the_project_is_not_prepared_anew(config, tmp_path):
    reporters = [RecordingReporter() for _ in range(4)]
    first = fit(config, reporter=reporters[0])
    (kept,) = first.run.glob("prepared-streams-*.safetensors")
    changed = config.with_fit(steps=6, learning_rate=1e-3, warmup=0.5)
    second = fit(changed, reporter=reporters[1])
    assert list(map(prepares, reporters[:2])) == [True, False]
    assert reporters[1].notes[-1:] == [f"What streams prepares is that of {first.run}."]
    assert not list(second.run.glob("prepared-*"))
    kept.rename(tmp_path / "away")
    assert_same(second.run, fit(changed, reporter=reporters[2]).run)  # as if by itself
    # fewer steps than a reference segmenter has
    fit(config.with_fit(steps=2), reporter=reporters[3])
    assert list(map(prepares, reporters[2:])) == [True, True]
    fit(config, out=first.run, overwrite=True)  # the file is none of the user's


def test_a_table_of_the_method_is_as_good_as_settings_of_any(config, tmp_path):
    task = open_task(config, num_folds=3, reporter=RecordingReporter())

    def name(**method):
        changed = config.model_copy(update={"method": method})
        return sharing.preparation_path(tmp_path, changed, task)

    assert name(streams=METHOD) == name(**METHOD) == name(streams=METHOD, given={"maps": ["w.h5"]})
    assert name(streams=METHOD | {"epochs": 2}) == name(**(METHOD | {"epochs": 2}))
    assert name(streams=METHOD | {"epochs": 2}) != name(streams=METHOD)


@pytest.mark.slow
def test_another_seed_or_setting_prepares_by_itself(config, tmp_path, monkeypatch):
    class StopError(Exception):
        pass

    def prepared(changed):
        """Whether it was taken over; the training itself is left out."""
        reporter = RecordingReporter()
        with pytest.raises(StopError):
            fit(changed, out=tmp_path / "other", shared=tmp_path / "shared", reporter=reporter,
                overwrite=True)  # fmt: skip
        return prepares(reporter)

    def stop(*_):
        raise StopError

    monkeypatch.setattr(fitting, "train", stop)
    assert [prepared(config), prepared(config)] == [True, False]
    assert prepared(config.with_fit(keep_mib=3)) is False
    assert prepared(config.with_fit(seed=1, preparation_seed=0)) is False
    assert prepared(config.with_fit(seed=1))
    assert prepared(config.with_fit(preparation_seed=1)) is False  # that of the seed before
    assert prepared(config.with_fit(num_real=4))
    assert prepared(config.model_copy(update={"method": METHOD | {"epochs": 2}}))
    (kept, *_) = sorted((tmp_path / "shared").glob("prepared-*"), key=lambda p: p.stat().st_mtime)
    kept.write_bytes(kept.read_bytes()[:-9])
    with pytest.raises(RunError, match="cannot be read"):
        fit(config, out=tmp_path / "last", shared=tmp_path / "shared")
