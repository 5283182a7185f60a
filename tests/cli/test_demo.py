from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Result
from tests.cli.test_audit import make_result

DONE = Result(
    run=Path("d/runs/curated"),
    scores=Path("d/weights.h5"),
    subset=Path("d/subset"),
    report=Path("d/report.html"),
    sheet=Path("d/sheet.png"),
    audit={"pixel": 0.9312, "region": 0.9, "image": 0.875},
    audit_on_real=make_result(out=Path("d/audit.csv")),
    miou={"all synthetic": 0.5, "weighted": 0.6125},
    corrupted_share=0.287,
    seconds=100,
)


@pytest.fixture
def calls(workflow):
    return workflow("demonstration.demo", "demo", DONE)


def test_table_tells_what_was_found_and_where_everything_is(run, calls):
    done = run("demo")
    assert done.stdout.splitlines() == [
        "29% of the synthetic pixels were corrupted. AUROC of finding them (.5 = chance)",
        "  pixel           .93",
        "  region          .90",
        "  image           .88",
        "4 corruptions injected into 15 unseen real images (AUROC, 95% intervals)",
        "  pixel           .75 [.72, .78]",
        "  region          .75 [.72, .78]",
        "  image           .75 [.72, .78]",
        "  best, by pixel  blur .95, style .55, noise .20",
        "  worst           noise .20, style .55, blur .95",
        "  false alarms    25% of the others, finding 95% of the corrupted",
        "mIoU on unseen real images after training on",
        "  all synthetic   0.500",
        "  weighted        0.613",
        "Made in 1:40",
        "  run             d/runs/curated",
        "  scores          d/weights.h5",
        "  subset          d/subset",
        "  report          d/report.html",
        "  sheet           d/sheet.png",
        "  audit           d/audit.csv",
    ]


def test_result_is_told_to_programs(run, calls):
    told = json.loads(run("demo", "--json").stdout)
    assert {"run", "scores", "subset", "audit", "seconds"} <= set(told)


def test_folder_and_seed_are_passed_on(run, calls):
    run("demo", "--out", "there", "--seed", "3", "--overwrite")
    args, options = calls[0]
    assert (args, options["seed"], options["overwrite"]) == ((Path("there"),), 3, True)
    assert not options["resume"]
