"""A job of several processes trains what one process does."""

import json
import signal

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from curate.errors import ConfigError
from curate.job import World
from curate.training.fit import _check_shares, fit
from tests.tiny import tiny_config
from tests.torchrun import assert_says_once_that_a_process_died, run_job, told
from tests.training.doubles import DIES_AT, SEGMENTER, STOPS_AT, WITH_BATCHNORM

EVERYTHING = {
    "inputs": ["predictions", "label", "0"],  # "0" is a layer, whose features are standardised
    "channels": "per_class",
    "min_class_px": 10,
    "folds": 2,
    "adversarial": 0.01,
}
DEFAULT = {"inputs": ["predictions"]}
WEIGHTS = ("segmenter.safetensors", "method.safetensors")


@pytest.fixture(autouse=True)
def single_precision_again():
    """Undo what the segmenter of these tests does to torch."""
    original = torch.Tensor.float
    yield
    torch.Tensor.float = original
    torch.set_default_dtype(torch.float32)


def config_of(root, method, **settings):
    return tiny_config(root, method=method, **{"segmenter": SEGMENTER, "steps": 14} | settings)


def write_toml(config):
    """Write a configuration as curate.toml of its folder."""
    values = config.model_dump(mode="json", exclude_none=True)

    def table(name):
        return [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in values[name].items())]

    lines = [f"classes = {json.dumps(values['classes'])}"]
    lines += [line for name in ("fit", "method", "augment") for line in table(name)]
    for domain in ("real", "synthetic"):
        lines += [f"[[{domain}]]", f'path = "{domain}"']
    (config.root / "curate.toml").write_text("\n".join(lines))


def launch(config, *flags, **options):
    """Fit in two processes, by the command line."""
    write_toml(config)
    return run_job(config.root, "-m", "curate", "fit", "--json", *flags, **options)


def assert_same_run(run, other, *, atol=1e-6):
    for name in WEIGHTS:
        here, there = load_file(run / name), load_file(other / name)
        assert here.keys() == there.keys()
        for key, value in here.items():
            # of the histogram, which counts thousands of cells, shares are compared
            scale = value.sum() if key.endswith("running.histogram") else 1
            torch.testing.assert_close(
                value / scale, there[key] / scale, rtol=0, atol=atol, msg=key
            )
    pd.testing.assert_frame_equal(
        pd.read_parquet(run / "metrics.parquet"),
        pd.read_parquet(other / "metrics.parquet"),
        rtol=0,
        atol=atol,
    )


@pytest.fixture(scope="module")
def in_two(tmp_path_factory):
    """A run of two processes with everything that a method can have."""
    config = config_of(tmp_path_factory.mktemp("two"), EVERYTHING)
    return config, launch(config)


@pytest.mark.slow
def test_two_processes_do_what_one_does(in_two, tmp_path):
    config, done = in_two
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [path.name for path in (config.root / "runs").iterdir()] == ["run-0001"]
    alone = fit(config_of(tmp_path, EVERYTHING))
    assert_same_run(config.root / "runs/run-0001", alone.run)
    assert result["measured"] == pytest.approx(alone.measured, abs=1e-6)
    assert len(told(done)) == 1
    assert "Only 6 real images" in told(done)[0]


@pytest.mark.slow
def test_job_with_a_dead_process_ends_with_a_message_and_resumes_bit_for_bit(tmp_path):
    whole, config = (
        config_of(tmp_path / name, EVERYTHING, segmenter=WITH_BATCHNORM) for name in ("a", "b")
    )
    assert launch(whole).returncode == 0
    dead = launch(config, one_dies=True, **{DIES_AT: "8"})
    assert dead.returncode == 1
    assert dead.stdout == ""
    assert_says_once_that_a_process_died(dead)
    assert "/curate/" not in dead.stderr  # torchrun's own traceback has none of our files
    assert (config.root / "runs/run-0001/checkpoint.safetensors").exists()
    resumed = launch(config, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    for name in WEIGHTS:
        expected = (whole.root / "runs/run-0001" / name).read_bytes()
        assert (config.root / "runs/run-0001" / name).read_bytes() == expected


@pytest.mark.slow
def test_stopped_job_is_saved_and_goes_on_in_one_process(tmp_path):
    config = config_of(tmp_path / "job", DEFAULT, workers=1)
    stopped = launch(config, **{STOPS_AT: "5"})
    run = config.root / "runs/run-0001"
    assert stopped.returncode in (1, -signal.SIGTERM)  # torchrun's, whatever ours is
    assert stopped.stdout == ""
    assert len(told(stopped)) == 3
    assert "Only 6 real images" in told(stopped)[0]
    assert told(stopped)[1].startswith("warning: Interrupted. Step")
    assert told(stopped)[2] == "error: interrupted. Go on with:"
    assert json.loads((run / "run.json").read_text())["status"] == "running"
    fit(config, resume=True)
    alone = fit(config_of(tmp_path / "alone", DEFAULT))
    assert_same_run(run, alone.run)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_do_what_one_does(tmp_path):
    settings = {"device": "cuda", "precision": "float32"}
    done = launch(config_of(tmp_path / "two", EVERYTHING, **settings))
    assert done.returncode == 0, done.stderr
    alone = fit(config_of(tmp_path / "one", EVERYTHING, **settings))
    assert_same_run(tmp_path / "two/runs/run-0001", alone.run)


@pytest.mark.parametrize(
    ("batch_size", "size", "has_synthetic", "fitting"),
    [
        (6, 2, True, "a multiple of 4, for example 4 or 8"),
        (4, 3, True, "a multiple of 6, for example 6, or"),
        (4, 3, False, "a multiple of 3, for example 3 or 6"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(
    tmp_path, batch_size, size, has_synthetic, fitting
):
    config = tiny_config(tmp_path, batch_size=batch_size)
    if not has_synthetic:
        config = config.model_copy(update={"synthetic": ()})
    _check_shares(config.with_fit(batch_size=12), World(0, size, 0))
    with pytest.raises(ConfigError, match=rf"batch_size = {batch_size} cannot .*{fitting}"):
        _check_shares(config, World(0, size, 0))
