from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curate.auditing.result import AuditResult
from curate.config import Config
from curate.corruptions import CORRUPTIONS
from curate.dataset_config import ReadingConfig
from curate.errors import DataError
from tests.tiny import write_dataset


def make_result(**changes):
    import pandas as pd

    areas = {"blur": 0.95, "style": 0.55, "noise": 0.2, "pasted": float("nan"), "all": 0.75}
    rows = [
        {
            "corruption": name,
            "strength": strength,
            "level": level,
            "score": score,
            "auroc": area,
            "auroc_low": area - 0.03,
            "auroc_high": area + 0.03,
            "average_precision": 0.8,
            "sound_share": 0.5,
            "false_alarm": 0.25,
            "false_alarm_low": 0.2,
            "false_alarm_high": 0.3,
            "spearman": 0.5,
            "images": 0 if name == "pasted" else 15,
        }
        for name, area in areas.items()
        for strength in ("all", "mild", "strong")
        for level, score in [
            *((level, "score") for level in ("pixel", "region", "image")),
            *(("pixel", f"{level}_score") for level in ("pixel", "region", "image")),
        ]
    ]
    values = {
        "run": Path("runs/a"),
        "images": 15,
        "corruptions": ("blur", "style", "noise", "pasted"),
        "strengths": ("mild", "strong"),
        "table": pd.DataFrame(rows),
        "seconds": 83.0,
    }
    return AuditResult(**values | changes)


@pytest.fixture
def calls(workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workflow("auditing.audit", "audit", lambda **_: make_result())


def test_result_is_told_to_people(run, calls):
    done = run("audit")
    assert done.stdout.splitlines() == [
        "How well runs/a finds what was injected into 15 real images",
        "(AUROC of the score, .5 = chance, with 95% intervals over images)",
        "        pixel           region          image",
        "blur    .95 [.92, .98]  .95 [.92, .98]  .95 [.92, .98]",
        "style   .55 [.52, .58]  .55 [.52, .58]  .55 [.52, .58]",
        "noise   .20 [.17, .23]  .20 [.17, .23]  .20 [.17, .23]",
        "pasted  -               -               -",
        "all     .75 [.72, .78]  .75 [.72, .78]  .75 [.72, .78]",
        "Not found, pixels near chance: style",
        "The wrong way round, taken for more real: noise",
        "Could be injected into none of the images: pasted",
        "A threshold that finds 95% of the corrupted pixels loses 25% of the others",
        "Done in 1:23",
        "Next: curate report  # tells it beside the scores",
    ]


def test_result_is_told_to_programs(run, calls):
    done = run("audit", "--json")
    told = json.loads(done.stdout)
    for level in ("pixel", "region", "image"):
        assert told[level]["auroc"] == 0.75
        assert told[level]["by_corruption"] == {
            "blur": 0.95,
            "style": 0.55,
            "noise": 0.2,
            "pasted": None,
        }
        assert told[level]["interval"] == [0.72, 0.78]
    assert told["missed"] == {name: ["mild", "strong"] for name in ("style", "noise")}
    assert told["inverted"] == ["noise"]
    assert told["false_alarm_rate"]["rate"] == 0.25
    assert set(told["networks"]) == {"image_score", "region_score", "pixel_score"}
    assert told["by_stream"] == {}


def with_streams():
    """A stream that finds blur and one that finds style; neither finds noise."""
    import pandas as pd

    areas = {
        "appearance": {"blur": 0.9, "style": 0.62, "noise": 0.55, "all": 0.7},
        "corruption": {"blur": 0.8, "style": 0.7, "noise": 0.5, "all": 0.71},
        "mute": {},
    }
    plain = make_result().table
    pixels = plain[(plain["level"] == "pixel") & (plain["score"] == "score")]
    own = [
        pixels.assign(
            score=name, auroc=[of_stream.get(each, np.nan) for each in pixels["corruption"]]
        )
        for name, of_stream in areas.items()
    ]
    return make_result(table=pd.concat([plain, *own]), streams=tuple(areas))


def test_stream_that_finds_a_corruption_best_is_named(run, workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow("auditing.audit", "audit", lambda **_: with_streams())
    table = run("audit").stdout.splitlines()[2:8]
    column = table[0].index("best stream")
    assert [line[column:] for line in table] == [
        "best stream",
        "appearance .90",
        "corruption .70",
        "-",
        "-",
        "corruption .71",
    ]
    assert max(map(len, table)) <= 80
    told = json.loads(run("audit", "--json").stdout)
    assert told["by_stream"]["corruption"] == {
        "blur": 0.8,
        "style": 0.7,
        "noise": 0.5,
        "pasted": None,
    }
    assert set(told["by_stream"]["mute"].values()) == {None}


def test_without_flags_the_run_decides(run, calls):
    run("audit")
    args, options = calls[0]
    assert args == ()
    assert isinstance(options.pop("config"), Config)
    del options["reporter"]
    assert options == {
        "run": None,
        "real": (),
        "reading": ReadingConfig(),
        "corruptions": tuple(CORRUPTIONS),
        "images": 48,
        "seed": 0,
        "device": "auto",
        "out": None,
        "resume": False,
        "overwrite": False,
        "trust_run": False,
    }


def test_flags_are_passed_on(run, calls):
    flags = (
        "--run runs/a --real one --real two --layout folder --id-map ids.toml --split val "
        "--corruptions blur,style --images 7 --seed 3 --device cpu --out table.csv --overwrite "
        "--trust-run"
    )
    assert run("audit", *flags.split()).exit_code == 0
    _, options = calls[0]
    del options["config"], options["reporter"]
    assert options == {
        "run": Path("runs/a"),
        "real": (Path("one"), Path("two")),
        "reading": ReadingConfig(layout="folder", id_map="ids.toml", split="val"),
        "corruptions": ("blur", "style"),
        "images": 7,
        "seed": 3,
        "device": "cpu",
        "out": Path("table.csv"),
        "resume": False,
        "overwrite": True,
        "trust_run": True,
    }


@pytest.mark.parametrize("flags", ["--images 0", "--seed -1", "--device tpu", "--nonsense"])
def test_unfit_values_end_with_2(run, calls, flags):
    done = run("audit", *flags.split())
    assert (done.exit_code, done.stdout, calls) == (2, "", [])


def test_interruption_ends_with_130(run, workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow("auditing.audit", "audit", KeyboardInterrupt())
    assert run("audit").exit_code == 130


def test_error_of_the_data_ends_with_1(run, workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow("auditing.audit", "audit", DataError("gone"))
    done = run("audit")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "error: gone\n")


def test_a_real_run_is_audited(run, finished_run, tmp_path, monkeypatch):
    _, folder = finished_run
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "val", 3, is_flat=False, seed=5)
    where = (
        "--run",
        folder,
        "--real",
        "val",
        "--corruptions",
        "noise,wrong_label",
        "--out",
        "all.csv",
        "--trust-run",
    )
    done = run("audit", *where, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["pixel"]["by_corruption"]) == {"noise", "wrong_label"}
    assert told["images"] == 3
    assert (tmp_path / "all.csv").exists()
    again = run("audit", *where)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--overwrite" in again.stderr
    assert run("audit", "--run", folder, "--trust-run", "--corruptions", "smell").exit_code == 2
    assert run("audit", "--run", tmp_path / "nothing").exit_code == 1
