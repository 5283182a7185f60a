from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.cli.options import parse_size
from curate.errors import UsageError
from tests.cli.conftest import Result

DONE = Result(
    run=Path("runs/run-0001"),
    steps=2000,
    seconds=754.2,
    device="cpu",
    num_real=60,
    num_synthetic=1,
    verdict=["Active streams: appearance; silent: " + ", ".join(["a_stream"] * 6) + "."],
)


@pytest.fixture
def calls(workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workflow("training.fit", "fit", DONE)


def test_result_is_told_to_people(run, calls):
    done = run("fit")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Run: runs/run-0001",
        "2,000 steps in 12:34 on cpu, 60 real images, 1 synthetic image",
        "Active streams: appearance; silent: a_stream, a_stream, a_stream, a_stream,",
        "  a_stream, a_stream.",
        "Next: curate score --out weights.h5",
    ]


def test_baseline_leads_to_a_method_that_gives_scores(run, calls):
    told = run("fit", "--method", "uniform").stdout.splitlines()
    assert told[-1] == "Next: curate fit --method streams  # learns scores"


def test_result_is_told_to_programs(run, calls):
    done = run("fit", "--json")
    assert json.loads(done.stdout) == DONE.to_json() | {"run": "runs/run-0001"}


def test_without_flags_the_file_decides(run, calls, tmp_path):
    (tmp_path / "curate.toml").write_text("[fit]\nsteps = 5\n[[real]]\npath = 'a'\n")
    run("fit")
    (config,), options = calls[0]
    assert config.fit.steps == 5
    assert [item.path for item in config.real] == [tmp_path / "a"]
    assert (options["out"], options["resume"], options["overwrite"]) == (None, False, False)


def test_flags_beat_the_file(run, calls, tmp_path):
    (tmp_path / "other").mkdir()
    toml = tmp_path / "other" / "my.toml"
    toml.write_text("[fit]\nsteps = 5\nseed = 4\n[[real]]\npath = 'a'\n[[synthetic]]\npath = 's'\n")
    flags = (
        "--method uniform --segmenter my.net:make --size 64x96 --steps 7 --batch-size 2 "
        "--device cpu --precision float32 --seed 0 --workers 0 --real b --real c "
        "--out runs/mine --resume --overwrite"
    )
    done = run("fit", "--config", toml, *flags.split())
    assert done.exit_code == 0
    (config,), options = calls[0]
    fit = config.fit
    assert (fit.method, fit.segmenter, fit.size) == ("uniform", "my.net:make", (64, 96))
    assert (fit.steps, fit.batch_size, fit.device, fit.precision) == (7, 2, "cpu", "float32")
    assert (fit.seed, fit.workers) == (0, 0)
    assert [item.path for item in config.real] == [tmp_path / "b", tmp_path / "c"]
    assert [item.path for item in config.synthetic] == [tmp_path / "other" / "s"]
    assert config.root == tmp_path / "other"
    assert (options["out"], options["resume"], options["overwrite"]) == (
        Path("runs/mine"),
        True,
        True,
    )


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--batch-size 7", "batch_size = 7 is odd"),
        ("--size 64", "'64' is no size: write height x width, for example 180x240."),
        ("--size 16x64", "both sides need at least 32 pixels"),
        ("--config none.toml", "none.toml does not exist"),
    ],
)
def test_unfit_settings_end_with_2(run, calls, flags, told):
    done = run("fit", *flags.split())
    assert (done.exit_code, done.stdout, calls) == (2, "", [])
    assert told in done.stderr


def test_reporter_of_the_command_draws_progress(run, workflow):
    def fit(config, *, reporter, **options):
        reporter.start("fit", 2, unit="steps")
        reporter.advance(2, {"loss_real": 0.5})
        reporter.finish()
        return DONE

    workflow("training.fit", "fit", fit)
    done = run("fit", "--json")
    assert done.stderr.splitlines() == ["fit: 0/2 steps", "fit: 2/2 steps in 0 s; loss real 0.5"]
    assert json.loads(done.stdout)["steps"] == 2000


def test_size_is_height_by_width():
    assert parse_size("180x240") == (180, 240)
    assert parse_size("180X240") == (180, 240)
    assert parse_size(None) is None


@pytest.mark.parametrize("text", ["", "x", "180", "180x", "x240", "-1x5", "1x2x3", "1.5x2", "²x2"])
def test_other_sizes_are_refused(text):
    with pytest.raises(UsageError, match="is no size: write height x width"):
        parse_size(text)
