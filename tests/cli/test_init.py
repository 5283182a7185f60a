from __future__ import annotations

import json
from pathlib import Path

from curate.errors import UsageError


def test_folder_and_data_sets_are_passed_on(run, workflow):
    calls = workflow("template", "init", Path("new/curate.toml"))
    done = run("init", "new", "--real", "a", "--real", "b", "--synthetic", "s", "--json")
    assert json.loads(done.stdout) == {"config": "new/curate.toml"}
    args, options = calls[0]
    assert args == (Path("new"),)
    assert list(options["real"]) == [Path("a"), Path("b")]
    assert list(options["synthetic"]) == [Path("s")]


def test_this_folder_is_the_default(run, workflow):
    calls = workflow("template", "init", Path("curate.toml"))
    assert run("init").stdout == "Settings: curate.toml\n"
    assert calls == [((Path(),), {"real": (), "synthetic": ()})]


def test_existing_file_ends_with_2(run, workflow):
    workflow("template", "init", UsageError("curate.toml exists already."))
    done = run("init")
    assert (done.exit_code, done.stderr) == (2, "error: curate.toml exists already.\n")
