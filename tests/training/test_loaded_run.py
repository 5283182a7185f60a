from __future__ import annotations

import json
import shutil

import pytest

from curate.config import ArmConfig, Config
from curate.errors import RunError
from curate.training.loaded_run import load_run
from curate.training.run_record import SETTINGS_NAME


@pytest.fixture
def planted(tmp_path, monkeypatch, finished_run):
    """Return a copy of a run, changed as a stranger may, whose code leaves a file when it runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil_nets.py").write_text("open('PWNED', 'w').close()\n")

    def plant(**tables):
        run = tmp_path / "run"
        shutil.copytree(finished_run[1], run)
        settings = json.loads((run / SETTINGS_NAME).read_text())
        for table, values in tables.items():
            settings[table] |= values
        (run / SETTINGS_NAME).write_text(json.dumps(settings))
        return run

    return plant


@pytest.mark.parametrize(
    "tables",
    [
        {"fit": {"segmenter": "evil_nets:make"}},
        {"fit": {"method": "streams"}, "method": {"encoder": "evil_nets:make"}},
    ],
)
def test_code_that_a_run_names_does_not_run_by_itself(planted, tmp_path, tables):
    with pytest.raises(RunError, match=r"'evil_nets:make': code that would run.*--trust-run"):
        load_run(planted(**tables), Config(root=tmp_path))
    assert not (tmp_path / "PWNED").exists()


def test_run_of_built_in_parts_needs_no_trust(planted):
    run = planted(fit={"segmenter": "lraspp_mobilenet_v3_large"})
    with pytest.raises(RunError, match="does not fit the networks of its run"):
        load_run(run)


@pytest.mark.parametrize("place", ["fit", "method", "arm"])
def test_factory_that_the_users_own_settings_name_is_trusted(finished_run, place):
    own, run = finished_run
    name = own.fit.segmenter
    config = {
        "fit": Config().with_fit(segmenter=name),
        "method": Config(method={"encoder": name}),
        "arm": Config(arm=(ArmConfig(name="mine", fit={"segmenter": name}),)),
    }[place]
    assert load_run(run, config).path == run
    assert load_run(run, trust_run=True).path == run
    with pytest.raises(RunError, match="--trust-run"):
        load_run(run, Config())
