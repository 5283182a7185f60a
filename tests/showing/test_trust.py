from __future__ import annotations

import json

import pytest

from curate import records
from curate.showing import trust
from tests.scores.making import PROVENANCE
from tests.showing.making import opened, write_set

RECORD = {
    "images": 16,
    "pixel": {
        "auroc": 0.9,
        "interval": [0.8, 0.95],
        "by_corruption": {"blur": 0.7, "style": 0.95, "noise": None},
        "intervals": {"blur": [0.6, 0.8], "style": [0.9, 0.99], "noise": [None, None]},
    },
    "region": {"auroc": 0.85, "interval": [0.8, 0.9]},
    "image": {"auroc": None, "interval": [None, None]},
    "false_alarm_rate": {"rate": 0.25, "found": 0.95},
    "missed": {"blur": ["mild"], "light": ["mild"]},
    "inverted": ["light"],
}


def write_run(folder, *, audit=None, run_id=PROVENANCE["run"]):
    folder.mkdir(parents=True)
    result = {
        "steps": 60,
        "num_real": 40,
        "num_synthetic": 120,
        "measured": {"auroc_appearance": 0.8},
    }
    (folder / records.RUN_RECORD).write_text(json.dumps({"run_id": run_id, "result": result}))
    if audit is not None:
        (folder / records.AUDIT_RECORD).write_text(audit)
    return folder


def test_run_is_found_by_its_id(sets, tmp_path):
    write_run(tmp_path / "runs/other", run_id="other")
    run = write_run(tmp_path / "runs/own")
    found = trust.judge(sets, project=tmp_path)
    assert found.run == run
    assert found.facts["Method"] == "streams, 60 steps"
    assert found.facts["Learned from"] == "40 real, 120 synthetic images"
    assert found.facts["Images"] == "6 of 7 scored"
    assert found.streams[0] == ("appearance", True, 0.8)
    assert found.streams[1][:2] == ("idle", False)


def test_run_beside_the_scores_is_found_from_elsewhere(sets, tmp_path):
    run = write_run(tmp_path / "runs/own")
    assert trust.judge(sets, project=tmp_path / "elsewhere").run == run


def test_unknown_run_is_no_error(sets, tmp_path):
    found = trust.judge(sets, project=tmp_path)
    assert (found.run, found.audit) == (None, None)
    assert (
        "This run was not audited: 'curate audit' tells what its scores can find." in found.warnings
    )


def test_audit_is_read(sets, tmp_path):
    write_run(tmp_path / "runs/own", audit=json.dumps(RECORD))
    audit = trust.judge(sets, project=tmp_path).audit
    assert audit.levels["pixel"] == (0.9, 0.8, 0.95)
    assert audit.corruptions == [("style", 0.95, 0.9, 0.99), ("blur", 0.7, 0.6, 0.8)]
    assert (audit.missed, audit.inverted) == (["blur"], ["light"])
    assert (audit.images, audit.false_alarms, audit.found) == (16, 0.25, 0.95)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"pixel": 3}', json.dumps(RECORD | {"missed": 7}), "\0", "[" * 9999]
)
def test_audit_that_cannot_be_read_is_as_if_there_were_none(sets, tmp_path, text):
    write_run(tmp_path / "runs/own", audit=text)
    assert trust.judge(sets, project=tmp_path).audit is None


def test_what_is_suspicious_is_said(tmp_path):
    flat = dict.fromkeys("abcdef", 0.5)
    sets = opened(write_set(tmp_path, "city", flat, failed=["z"], streams=["idle"]))
    (tmp_path / "city").rename(tmp_path / "gone")
    warnings = " ".join(trust.judge(sets, project=tmp_path).warnings)
    assert "1 of 7 images have no score: 1 unreadable_image." in warnings
    assert "four fifths of the images lie at 0.500" in warnings
    assert "No stream is active" in warnings
    assert f"city is no longer at {tmp_path / 'city'}" in warnings


def test_sound_scores_are_not_suspected(sets, tmp_path):
    write_run(tmp_path / "runs/own", audit=json.dumps(RECORD))
    (only,) = trust.judge(sets, project=tmp_path).warnings
    assert only.startswith("1 of 7 images have no score")


def test_class_that_is_never_shown_is_named(tmp_path):
    names = {"name": "custom", "names": ["a", "b"]}
    sets = opened(write_set(tmp_path, "city", {"a": 0.1, "b": 0.9}, classes=names))
    sets.sources[0].scores.tables._columns["images", "class_px"] = sets.column("class_px") * [1, 0]
    assert "No scored image shows b." in trust.judge(sets, project=tmp_path).warnings
