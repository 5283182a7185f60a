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
    audit={"pixel": 0.9312, "region": 0.9, "image": 0.875},
    audit_on_real=make_result(out=Path("d/audit.csv")),
    miou={"all synthetic": 0.5, "weighted": 0.6125},
    corrupted_share=0.287,
    seconds=100,
)


@pytest.fixture
def calls(workflow):
    return workflow("demo.demo", "demo", DONE)


def test_table_tells_what_was_found_and_where_everything_is(run, calls):
    done = run("demo")
    assert done.stdout.splitlines() == [
        "29% of the synthetic pixels were spoiled. How well scores find them (AUROC, 0.5 = chance)",
        "  pixel           0.931",
        "  region          0.900",
        "  image           0.875",
        "4 kinds of fault planted in 15 unseen real images (AUROC, 95% intervals)",
        "  pixel           0.750 [0.72, 0.78]",
        "  region          0.750 [0.72, 0.78]",
        "  image           0.750 [0.72, 0.78]",
        "  best, by pixel  blur 0.95, style 0.55, noise 0.20",
        "  worst           noise 0.20, style 0.55, blur 0.95",
        "  false alarms    finding 95% of the spoiled pixels loses 25% of the untouched",
        "mIoU on unseen real images after training on",
        "  all synthetic   0.500",
        "  weighted        0.613",
        "Made in 1:40",
        "  run             d/runs/curated",
        "  scores          d/weights.h5",
        "  subset          d/subset",
        "  audit           d/audit.csv",
    ]


def test_result_is_told_to_programs(run, calls):
    told = json.loads(run("demo", "--json").stdout)
    assert {"run", "scores", "subset", "audit", "seconds"} <= set(told)


def test_folder_and_seed_are_passed_on(run, calls):
    run("demo", "--out", "there", "--seed", "3")
    args, options = calls[0]
    assert (args, options["seed"]) == ((Path("there"),), 3)
