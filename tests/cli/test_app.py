from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from typing import get_args

import pytest
from typer.main import get_command

from curate.cli.app import COMMANDS, app
from curate.cli.options import (
    Compression,
    Control,
    Device,
    Format,
    Level,
    Media,
    Precision,
    Regions,
)
from curate.config import FitConfig, ScoreConfig
from curate.errors import DataError
from curate.records import LEVELS
from tests.cli.conftest import Result
from tests.data.making import save_folder

RAY = "--ray --ray-address --ray-cpus --ray-gpus"
OPTIONS = {
    "demo": "--out --seed --resume --overwrite --json",
    "init": "--real --synthetic --image-pattern --label-pattern --json",
    "check": "--ray --ray-address --ray-cpus --resume "
    "--config --layout --id-map --image-pattern --label-pattern --split --fix-list "
    "--overwrite --json",
    "fit": "--config --real --synthetic --out --method --segmenter --size --steps --batch-size "
    "--device --precision --seed --workers --fix-list --resume --overwrite --json",
    "score": f"{RAY} --part-images "
    "--out --run --trust-run --config --layout --id-map --image-pattern --label-pattern "
    "--split --levels --stride --regions --compression --stream-maps --shard --workers "
    "--device --fix-list --resume --overwrite --json",
    "merge": "--partial --out --resume --config --overwrite --json",
    "export-subset": "--scores --config --top --count --threshold --pixels --per-class --per-set "
    "--min-class-share --floor --quota --drop-near-duplicates --diverse --draw --control --seed "
    "--by --rank-by --out --media --format --label-ids --weight-maps --dataset --overwrite "
    "--dry-run --resume --json",
    "audit": "--resume --run --trust-run --config --real --layout --id-map --image-pattern "
    "--label-pattern --split --corruptions --images --seed --device --out --overwrite --json",
    "compare": f"{RAY} "
    "--out --config --arms --reference --seeds --num-real --draws --curve --workers "
    "--resume --overwrite --json",
    "report": "--config --dataset --out --resume --overwrite --json",
    "show": "--config --out --dataset --overwrite --json",
}
HEAVY = ("torch", "numpy", "pandas", "h5py", "skimage", "PIL", "curate.config")


def python(*args, **env):
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | env,
        check=False,
    )


def test_commands_are_those_of_the_contract():
    assert list(COMMANDS) == list(OPTIONS)
    assert list(get_command(app).commands) == list(OPTIONS)


def test_commands_have_the_options_of_the_contract():
    for command, names in OPTIONS.items():
        params = get_command(app).commands[command].params
        options = {name for param in params for name in param.opts if name.startswith("--")}
        assert options - {"--help"} == {*names.split(), "--quiet", "--verbose"}, command
        assert all(param.help for param in params if param.name != "help"), command
        about = get_command(app).commands[command].help
        assert not re.search(r"[^\n]\n[^\n]", about), command  # Rich would break the lines there


@pytest.mark.parametrize("command", ["", *OPTIONS])
def test_help_fits_80_columns_and_names_no_type_of_a_flag(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = run(*command.split(), "-h")
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "<bool>" not in done.stdout
    assert "\N{HORIZONTAL ELLIPSIS}" not in done.stdout  # nothing is cut off


@pytest.mark.parametrize(
    ("command", "extras"),
    [
        ("score", "ray s3 hdf5plugin"),
        ("fit", "smp hf cleanlab s3"),
        ("check", "ray s3"),
        ("compare", "ray"),
        ("merge", "s3"),
        ("export-subset", "s3"),
        ("report", "s3"),
    ],
)
def test_help_names_the_extra_that_an_option_needs(run, command, extras, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = run(command, "-h").stdout
    assert set(re.findall(r"(?:curate-seg\[|the extra )(\w+)", told)) == set(extras.split())


def test_choices_and_methods_are_completed_in_the_shell():
    line = {"COMP_WORDS": "curate fit --method conf", "COMP_CWORD": "3"}
    code = "import sys; from curate.cli.app import app; app(prog_name='curate')"
    done = python("-c", code, _CURATE_COMPLETE="complete_bash", **line)
    assert done.stdout.split() == ["confidence"]


def test_quiet_command_tells_warnings_and_its_result_only(run, workflow, tmp_path, monkeypatch):
    def talk(*_, reporter, **__):
        reporter.note("a note")
        reporter.start("work", 3)
        reporter.warn("a warning")
        logging.getLogger("curate.x").info("a detail")
        return Result(run=tmp_path, steps=1, seconds=1, device="cpu", num_real=1, num_synthetic=1,
                      measured={})  # fmt: skip

    monkeypatch.chdir(tmp_path)
    workflow("training.fit", "fit", talk)
    assert run("fit", "-q").stderr == "warning: a warning\n"
    told = run("fit").stderr
    assert ("a note" in told, "work: 0/3" in told, "a detail" in told) == (True, True, False)
    assert "a detail" in run("fit", "--verbose").stderr
    assert "a detail" not in run("fit").stderr
    done = run("fit", "-q", "-v")
    assert (done.exit_code, "exclude each other" in done.stderr) == (2, True)


def test_verbose_command_tells_where_an_error_was_raised(run, workflow):
    workflow("training.fit", "fit", DataError("gone"))
    assert run("fit").stderr == "error: gone\n"
    told = run("fit", "-v").stderr
    assert told.startswith("error: gone\n  Traceback (most recent call last):\n")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from curate.cli import main\n"
        f"for command in {['', *OPTIONS]}:\n"
        "    sys.argv = ['curate', *command.split(), '--help']\n"
        "    try: main()\n"
        "    except SystemExit as end: code = end.code\n"
        f"    print('heavy:', [m for m in {HEAVY} if m in sys.modules], code)"
    )
    done = python("-c", code)
    assert done.stdout.count("heavy: [] 0") == len(OPTIONS) + 1
    assert done.stdout.count("Usage:") == len(OPTIONS) + 1


def test_old_name_of_an_option_is_an_error_that_names_the_new_one(run):
    for flags in (["--kinds", "blur"], ["--kinds=blur"]):
        done = run("audit", *flags)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "--kinds is called --corruptions now." in done.stderr
    for command in (["score", "x", "--out", "y"], ["audit"]):
        done = run(*command, "--labels", "gta5")
        assert (done.exit_code, "--labels is called --id-map now." in done.stderr) == (2, True)
    assert "No such option" in run("fit", "--kinds", "blur").stderr  # which fit never had


def test_choices_are_those_of_the_settings():
    fields = FitConfig.model_fields | ScoreConfig.model_fields
    assert fields["device"].annotation == Device
    assert fields["precision"].annotation == Precision
    assert fields["regions"].annotation == Regions
    assert fields["compression"].annotation == Compression


def test_choices_are_those_of_the_library():
    from curate.scores.packing import COMPRESSIONS
    from curate.scoring.regions import REGION_KINDS
    from curate.selection.formats import FORMATS
    from curate.selection.placement import MEDIA
    from curate.selection.settings import CONTROLS

    assert get_args(Level) == LEVELS
    assert get_args(Regions) == tuple(REGION_KINDS)
    assert get_args(Compression) == tuple(COMPRESSIONS)
    assert get_args(Media) == tuple(MEDIA)
    assert get_args(Control) == CONTROLS
    assert get_args(Format) == tuple(FORMATS)


def test_version_is_printed(run, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"1.2 of {name}")
    for flag in ("--version", "-V"):
        done = run(flag)
        assert (done.exit_code, done.stdout) == (0, "curate 1.2 of curate-seg\n")


@pytest.mark.parametrize(
    "args", ["nonsense", "fit --nonsense", "fit --device tpu", "fit --steps x", "score"]
)
def test_wrong_usage_ends_with_2_and_an_empty_stdout(run, args):
    done = run(*args.split())
    assert (done.exit_code, done.stdout) == (2, "")


def test_module_is_a_command():
    done = python("-m", "curate", "fit", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--segmenter" in done.stdout


def test_help_works_on_a_terminal_that_knows_only_ascii():
    done = python("-m", "curate", "--help", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "export-subset" in done.stdout


@pytest.mark.parametrize("spelled", [["--fix-list", "~/f.toml"], ["--fix-list=~/f.toml"]])
def test_home_folder_is_read_where_no_shell_did(run, tmp_path, monkeypatch, spelled):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    save_folder(tmp_path / "home/set", {"a": 1, "b": 0})
    run("check", "~/set", *spelled)
    assert (tmp_path / "home/f.toml").exists()
