from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curate.files.state import remember
from curate.selection.choice import ClassShare
from tests.cli.conftest import Result
from tests.scores.making import STREAM_PROVENANCE, scored_image, write_scores

DONE = Result(
    out=Path("subset"),
    by="image",
    selected=144,
    of=479,
    pixels_kept=300,
    pixels_total=1000,
    dry_run=False,
    control=None,
    sets={"gta5": {"selected": 144, "of": 479}},
    classes=[ClassShare("road", 900, 290), ClassShare("sign", 100, 10), ClassShare("sky", 0, 0)],
)


PLAIN = {
    "out": Path("subset"),
    "control_out": None,
    "by": "image",
    "top": None,
    "count": None,
    "threshold": None,
    "pixels": None,
    "per_class": False,
    "per_set": False,
    "min_class_share": None,
    "floors": (),
    "quotas": (),
    "drop_near_duplicates": False,
    "diverse": False,
    "draw": False,
    "control": None,
    "seed": 0,
    "rank_by": None,
    "media": "",
    "format": "original",
    "label_ids": None,
    "weight_maps": False,
    "dataset": None,
    "resume": False,
    "overwrite": False,
    "dry_run": False,
}


@pytest.fixture
def calls(workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workflow("selection.export", "export_subset", DONE)


def test_result_is_told_to_people(run, calls):
    done = run("export-subset", "--scores", "weights.h5", "--top", "30%")
    assert done.stdout.splitlines() == [
        "Subset: subset",
        "144 of 479 images selected, with 30.0% of the pixels",
        "class  pixels before  kept  share",
        "road             900   290  32.2%",
        "sign             100    10  10.0%",
        "Next: train on subset; with a [[test]] table in curate.toml, curate compare",
        "  tells what it gains.",
    ]


def test_comparing_is_next_where_there_is_a_test_set(run, calls, tmp_path):
    tables = [f'[[{name}]]\npath = "d"\n' for name in ("real", "synthetic", "test")]
    (tmp_path / "curate.toml").write_text('classes = "camvid11"\n' + "".join(tables))
    done = run("export-subset", "--scores", "weights.h5", "--top", "30%")
    assert done.stdout.splitlines()[-1] == "Next: curate compare --out worth  # does it pay?"


def test_each_set_of_several_is_told(run, workflow):
    sets = {"gta5": {"selected": 100, "of": 300}, "carla": {"selected": 1, "of": 1}}
    workflow("selection.export", "export_subset", Result(**(vars(DONE) | {"sets": sets})))
    done = run("export-subset", "--scores", "a.h5", "--scores", "b.h5", "--top", "30%")
    assert done.stdout.splitlines()[2:4] == [
        "  gta5   100 of 300 images",
        "  carla  1 of 1 image",
    ]


def test_result_is_told_to_programs(run, calls):
    done = run("export-subset", "--scores", "weights.h5", "--top", "30%", "--json")
    assert json.loads(done.stdout) == json.loads(json.dumps(DONE.to_json(), default=str))


def test_dry_run_says_so(run, workflow):
    dry = Result(**(vars(DONE) | {"dry_run": True}))
    calls = workflow("selection.export", "export_subset", dry)
    done = run("export-subset", "--scores", "weights.h5", "--top", "30%", "--dry-run")
    assert done.stdout.startswith("Nothing was written (dry run).\n")
    assert calls[0][1]["dry_run"] is True


def test_pixels_are_counted_by_image(run, workflow):
    workflow("selection.export", "export_subset", Result(**(vars(DONE) | {"by": "pixel"})))
    done = run("export-subset", "--scores", "weights.h5", "--by", "pixel", "--top", "30%")
    assert "144 of 479 images selected" in done.stdout


def test_defaults_are_passed_on(run, calls, tmp_path):
    run("export-subset", "--scores", "weights.h5", "--top", "30%")
    args, options = calls[0]
    assert args == ([Path("weights.h5")],)
    del options["reporter"]
    assert options.pop("project") == tmp_path
    assert options == PLAIN | {"top": "30%"}


def test_flags_are_passed_on(run, calls):
    flags = (
        "--scores w.h5 --count 5 --threshold 0.5 --pixels 9 --per-class --by region "
        "--rank-by pixel_score --out o --media copy --format folder --label-ids train "
        "--weight-maps --dataset moved --overwrite "
        "--per-set --min-class-share 20% --floor sign=40% --floor pole=0.5 --quota road=20% "
        "--drop-near-duplicates --diverse --draw --control random --seed 3"
    )
    assert run("export-subset", *flags.split()).exit_code == 0
    _, options = calls[0]
    del options["reporter"], options["project"]
    assert options == PLAIN | {
        "out": Path("o"),
        "by": "region",
        "top": None,
        "count": 5,
        "threshold": 0.5,
        "pixels": 9,
        "per_class": True,
        "rank_by": "pixel_score",
        "media": "copy",
        "format": "folder",
        "label_ids": "train",
        "weight_maps": True,
        "dataset": Path("moved"),
        "overwrite": True,
        "control_out": Path("o-random"),
        "per_set": True,
        "min_class_share": "20%",
        "floors": ("sign=40%", "pole=0.5"),
        "quotas": ("road=20%",),
        "drop_near_duplicates": True,
        "diverse": True,
        "draw": True,
        "control": "random",
        "seed": 3,
        "dry_run": False,
    }


def test_newest_score_file_is_the_default(run, calls, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"")
    remember(tmp_path, scores=[tmp_path / "weights.h5"])
    assert run("export-subset", "--top", "30%").exit_code == 0
    assert calls[0][0] == ([tmp_path / "weights.h5"],)


def test_newest_score_file_is_that_of_the_named_settings(run, calls, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "my.toml").write_text("")
    (tmp_path / "there" / "weights.h5").write_bytes(b"")
    remember(tmp_path / "there", scores=[tmp_path / "there" / "weights.h5"])
    assert run("export-subset", "--top", "30%", "--config", "there/my.toml").exit_code == 0
    assert calls[0][0] == ([tmp_path / "there" / "weights.h5"],)


def test_without_any_score_file_the_next_step_is_told(run, calls):
    done = run("export-subset", "--top", "30%")
    assert done.exit_code in (1, 2)
    assert done.stdout == ""
    assert "curate score" in done.stderr
    assert calls == []


def test_bare_30_is_refused_with_both_right_spellings(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("export-subset", "--scores", "weights.h5", "--top", "30")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "30%" in done.stderr
    assert "0.3" in done.stderr


@pytest.mark.parametrize("flags", ["--by class", "--media move", "--format parchment"])
def test_unknown_names_end_with_2(run, calls, flags):
    done = run("export-subset", "--scores", "w.h5", "--top", "30%", *flags.split())
    assert (done.exit_code, done.stdout, calls) == (2, "", [])


def test_unknown_ranking_ends_with_2_and_names_the_nearest(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = scored_image("a", streams={"corruption": 0.5, "appearance": 0.6})
    write_scores(tmp_path / "w.h5", [image], provenance=STREAM_PROVENANCE)
    command = "export-subset --scores w.h5 --media none --top 50% --rank-by"
    done = run(*command.split(), "apearance")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "corruption, appearance. Did you mean 'appearance'?" in done.stderr
    done = run(*command.split(), "appearance", "--json")
    assert json.loads(done.stdout)["rank_by"] == "appearance"


@pytest.mark.parametrize(
    ("flags", "kept"),
    [("--pixels 13", ["a"]), ("--per-class --count 1", ["a", "b"]), ("--top 100%", ["a", "b"])],
)
def test_command_selects_from_a_real_score_file(run, tmp_path, monkeypatch, flags, kept):
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path / "w.h5", [best_for(0, "a", 0.9), best_for(1, "b", 0.5)])
    options = f"--scores w.h5 --media none {flags} --json"
    done = run("export-subset", *options.split())
    told = json.loads(done.stdout)
    assert (done.exit_code, told["selected"], told["of"], told["bytes"]) == (0, len(kept), 2, None)
    lines = (tmp_path / "subset" / "manifest.csv").read_text().splitlines()[1:]
    assert [line[0] for line in lines if ",True," in line] == kept


def best_for(class_index, image_id, score):
    """An image of 20 pixels that shows one class."""
    class_score = np.where(np.arange(2) == class_index, score, np.nan)
    return replace(scored_image(image_id, score, size=(4, 5)), class_score=class_score)
