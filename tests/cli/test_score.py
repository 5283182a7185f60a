from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from curate.cluster.ray_cluster import Cluster
from curate.config import ScoreConfig
from curate.dataset_config import ReadingConfig
from tests.cli.conftest import Result

DONE = Result(
    out=Path("weights.h5"),
    name="gta5",
    run=Path("runs/a"),
    statuses={"ok": 479, "unreadable_image": 3},
    scored=479,
    skipped=0,
    failed=3,
    regions=12345,
    seconds=20.5,
    images_per_second=23.4146,
    writing_seconds=0.4,
)


@pytest.fixture
def calls(workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workflow("scoring.score", "score", DONE)


def test_result_is_told_to_people(run, calls):
    done = run("score", "gta5/", "--out", "weights.h5")
    assert done.stdout.splitlines() == [
        "Scores: weights.h5",
        "479 images scored, 0 done before, 3 failed, 12,345 regions in 20 s (23.4 images/s)",
        "Next: curate export-subset --top 30%",
    ]


def test_result_is_told_to_programs(run, calls):
    done = run("score", "gta5", "--out", "weights.h5", "--json")
    told = DONE.to_json() | {"out": "weights.h5", "run": "runs/a"}
    assert json.loads(done.stdout) == told | {"sets": [told]}


def test_without_flags_the_file_and_the_run_decide(run, calls):
    run("score", "gta5", "--out", "weights.h5")
    args, options = calls[0]
    assert args == (Path("gta5"), Path("weights.h5"))
    assert options.pop("config").score == ScoreConfig()
    assert options.pop("command") == ("curate", *sys.argv[1:])
    del options["reporter"]
    assert options == {
        "run": None,
        "reading": ReadingConfig(),
        "levels": ("image", "region", "pixel"),
        "shard": "1/1",
        "workers": None,
        "device": "auto",
        "resume": False,
        "overwrite": False,
        "trust_run": False,
        "fix_list": None,
        "ray": None,
        "part_images": 500,
    }


def test_flags_are_passed_on(run, calls, tmp_path):
    (tmp_path / "my.toml").write_text("[score]\nregion_px = 9\n")
    flags = (
        "--run runs/a --config my.toml --layout gta5 --id-map ids.toml "
        "--split val --levels image,pixel "
        "--stride 8 --regions grid --compression zstd --stream-maps --shard 2/3 --workers 3 "
        "--device cpu --resume --overwrite --trust-run --fix-list fixes.toml "
        "--ray --ray-address 10.0.0.1:6379 --ray-cpus 4 --ray-gpus 1 --part-images 9"
    )
    done = run("score", "gta5", "--out", "weights", *flags.split())
    assert done.exit_code == 0
    _, options = calls[0]
    assert options.pop("config").score == ScoreConfig(
        region_px=9, stride=8, regions="grid", compression="zstd", stream_maps=True
    )
    del options["reporter"], options["command"]
    assert options == {
        "run": Path("runs/a"),
        "reading": ReadingConfig(layout="gta5", id_map="ids.toml", split="val"),
        "levels": ("image", "pixel"),
        "shard": "2/3",
        "workers": 3,
        "device": "cpu",
        "resume": True,
        "overwrite": True,
        "trust_run": True,
        "fix_list": Path("fixes.toml"),
        "ray": Cluster("10.0.0.1:6379", 4, 1),
        "part_images": 9,
    }


@pytest.mark.parametrize(
    "flags",
    ["--stride 0", "--stride 65", "--regions big", "--workers -1", "--ray-address 10.0.0.1:6379"],
)
def test_unfit_values_end_with_2(run, calls, flags):
    done = run("score", "gta5", "--out", "weights.h5", *flags.split())
    assert (done.exit_code, done.stdout, calls) == (2, "", [])


def test_output_has_to_be_named(run, calls):
    done = run("score", "gta5")
    assert done.exit_code == 2
    assert "--out" in done.stderr


def test_options_about_one_set_need_its_folder(run, calls):
    done = run("score", "--out", "weights.h5", "--id-map", "gta5")
    assert (done.exit_code, done.stdout, calls) == (2, "", [])
    assert "--id-map says how one data set is read, but none is named" in done.stderr


def test_part_is_followed_by_a_merge(run, calls):
    done = run("score", "gta5", "--out", "part1.h5", "--shard", "1/8")
    assert done.stdout.splitlines()[-1].endswith("curate merge PART.. --out weights.h5")
