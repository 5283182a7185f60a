from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from curate.cli.app import app
from curate.dataset_config import ReadingConfig
from curate.errors import UsageError
from tests.checking import making


def test_folder_and_data_sets_are_passed_on(run, workflow):
    calls = workflow("template", "init", Path("new/curate.toml"))
    done = run("init", "new", "--real", "a", "--real", "b", "--synthetic", "s", "--json")
    nothing = {"real": [], "synthetic": [], "minutes": {}}
    assert json.loads(done.stdout) == {"config": "new/curate.toml"} | nothing
    args, options = calls[0]
    assert args == (Path("new"),)
    assert list(options["real"]) == [Path("a"), Path("b")]
    assert list(options["synthetic"]) == [Path("s")]


def test_this_folder_is_the_default(run, workflow):
    calls = workflow("template", "init", Path("curate.toml"))
    assert run("init").stdout == "Settings: curate.toml\n"
    assert calls == [((Path(),), {"real": (), "synthetic": (), "reading": ReadingConfig()})]


def test_existing_file_ends_with_2(run, workflow):
    workflow("template", "init", UsageError("curate.toml exists already."))
    done = run("init")
    assert (done.exit_code, done.stderr) == (2, "error: curate.toml exists already.\n")


def test_data_sets_are_looked_at(tmp_path, monkeypatch):
    for name, seed in (("leftImg8bit", 0), ("gtFine", 0)):
        for split in ("train", "val"):
            for number in range(6):
                image, label = making.scene(seed + number + 20 * (split == "val"))
                is_image = name == "leftImg8bit"
                ending = name if is_image else "gtFine_labelIds"
                path = tmp_path / f"real/{name}/{split}/a/a_{number:06d}_{ending}.png"
                making.save(image if is_image else label + 7, path)
    making.write_set(tmp_path / "synth", 8, seed=100)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("curate.costs._measure_pace", lambda: 1.0)
    done = CliRunner().invoke(app, ["init", "--real", "real", "--synthetic", "synth", "--json"])
    found = json.loads(done.stdout)
    (real,) = found["real"]
    assert (real["layout"], real["images"]) == ("cityscapes", 6)
    assert found["minutes"]["fit"] > 0
    text = (tmp_path / "curate.toml").read_text()
    assert 'layout = "cityscapes"\nsplit = "train"' in text
