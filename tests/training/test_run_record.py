from __future__ import annotations

import errno
import hashlib
import json

import pytest

from curate.errors import RunError, StoreError
from curate.files.atomic import sha256_file
from curate.training.run_record import MetricLog, next_run_name, read_run, write_run


def test_run_comes_back(tmp_path):
    write_run(tmp_path, status="finished", run_id="r", result={"steps": 3}, extra=[1])
    run = read_run(tmp_path)
    assert (run.status, run.run_id, run.result) == ("finished", "r", {"steps": 3})
    table = json.loads((tmp_path / "run.json").read_text())
    assert (table["format"], table["format_version"], table["extra"]) == ("curate-run", 1, [1])


def test_checkpoint_checksum_depends_on_all_weights(tmp_path):
    digests = set()
    for pair in (("a", "b"), ("b", "a"), ("ab", "")):
        write_run(tmp_path, status="finished", segmenter_sha256=pair[0], method_sha256=pair[1])
        digests.add(read_run(tmp_path).checkpoint_sha256)
    assert len(digests) == 3


def test_folder_without_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"is no run: it has no run\.json"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "other"}', "[" * 100_000])
def test_damaged_and_foreign_runs_are_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match="is damaged or no run of curate"):
        read_run(tmp_path)


@pytest.mark.parametrize("length", [1, 20, 60])
def test_truncated_runs_are_refused(tmp_path, length):
    write_run(tmp_path, status="running", run_id="r")
    content = (tmp_path / "run.json").read_bytes()
    (tmp_path / "run.json").write_bytes(content[:length])
    with pytest.raises(RunError, match="is damaged"):
        read_run(tmp_path)


def test_newer_run_is_refused_naming_both_versions(tmp_path):
    (tmp_path / "run.json").write_text('{"format": "curate-run", "format_version": 2}')
    with pytest.raises(RunError, match=r"version 2; this curate reads versions up to 1\. Install"):
        read_run(tmp_path)


def test_wrong_value_is_named(tmp_path):
    (tmp_path / "run.json").write_text(
        '{"format": "curate-run", "format_version": 1, "status": "paused"}'
    )
    with pytest.raises(RunError, match="key 'status'"):
        read_run(tmp_path)


def test_names_count_up_from_the_highest(tmp_path):
    assert next_run_name(tmp_path / "none") == "run-0001"
    for name in ("run-0002", "run-0009", "run-x", "other", "run-12"):
        (tmp_path / name).mkdir()
    assert next_run_name(tmp_path) == "run-0010"


def test_checksum_is_that_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(StoreError, match=r"cannot read .*none: No such file"):
        sha256_file(tmp_path / "none")


class FullDisk:
    """An event writer whose thread could not write."""

    def add_scalar(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_disk_that_is_full_of_event_files_is_one_message(tmp_path):
    log = MetricLog(tmp_path)
    log.add(1, {"loss": 1.0})
    log._writer = FullDisk()
    with pytest.raises(StoreError, match=r"event files.*: No space left on device\. Free some"):
        log.add(2, {"loss": 0.5})
    with pytest.raises(StoreError, match="No space left on device"):
        log.write()
