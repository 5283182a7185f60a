from __future__ import annotations

import pickle

import pytest

from curate.errors import StoreError
from curate.files.atomic import claim
from curate.training.run_folder import RunFolder
from curate.training.run_record import SETTINGS_NAME, newest_run, write_run
from tests.tiny import tiny_config


def make_run(path, config, *, status="running"):
    path.mkdir(parents=True)
    (path / SETTINGS_NAME).write_text(config.model_dump_json())
    write_run(path, status=status)
    return path


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


def test_newest_run_has_the_highest_number_however_long(tmp_path, config):
    for name in ("run-9999", "run-10000", "run-0002"):
        make_run(tmp_path / name, config)
    (tmp_path / "run-20000").mkdir()
    assert newest_run(tmp_path).name == "run-10000"


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
def test_run_that_another_process_trains_in_is_refused(tmp_path, config, flag):
    run = make_run(tmp_path / "run", config)
    flags = {"resume": False, "overwrite": False, flag: True}
    lock = claim(run / SETTINGS_NAME, run)
    with pytest.raises(StoreError, match=r"run is in use by another process\. Wait for it"):
        RunFolder.open(config, run, **flags)
    lock.close()
    with RunFolder.open(config, run, **flags) as folder:
        assert folder.path == run


def test_finished_run_needs_no_lock(tmp_path, config):
    run = make_run(tmp_path / "run", config, status="finished")
    lock = claim(run / SETTINGS_NAME, run)
    assert RunFolder.open(config, run, resume=True, overwrite=False).is_finished
    lock.close()


def test_copy_of_an_open_folder_in_another_process_does_not_give_the_lock_back(tmp_path, config):
    run = make_run(tmp_path / "run", config)
    with RunFolder.open(config, run, resume=True, overwrite=False) as folder:
        pickle.loads(pickle.dumps(folder)).close()
        with pytest.raises(StoreError, match="in use"):
            claim(run / SETTINGS_NAME, run)


@pytest.mark.parametrize(
    "left", ["checkpoint.safetensors", ".run.json.partial-1-0000000a-0000000a"]
)
def test_clearing_up_removes_what_a_process_left_that_was_killed_at_the_end(tmp_path, config, left):
    run = make_run(tmp_path / "run", config, status="finished")
    before = sorted(run.iterdir())
    (run / left).touch()
    RunFolder.open(config, run, resume=True, overwrite=False).clear_up()
    assert sorted(run.iterdir()) == before
