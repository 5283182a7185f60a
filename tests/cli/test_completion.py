from __future__ import annotations

import subprocess
import sys

import pytest

from curate.cli import completion
from curate.corruptions import CORRUPTIONS
from curate.data.layouts import LAYOUTS
from curate.methods import METHODS
from curate.methods.streams.streams import STREAMS
from curate.models.registry import SEGMENTERS


@pytest.mark.parametrize(
    ("offer", "known"),
    [
        (completion.complete_method, METHODS),
        (completion.complete_segmenter, SEGMENTERS),
        (completion.complete_layout, ["auto", *LAYOUTS]),
        (completion.complete_corruptions, CORRUPTIONS),
    ],
)
def test_what_is_offered_is_what_there_is(offer, known):
    """The tables are read without importing them; they must stay literal."""
    assert offer("") == list(known)
    first = next(iter(known))
    assert offer(first[:3]) == [name for name in known if name.startswith(first[:3])]


def test_streams_and_columns_can_rank():
    offered = completion.complete_column("")
    assert offered[:2] == ["score", "image_score"]
    assert set(STREAMS) <= set(offered)
    assert "pixel_weight" in completion.complete_column("pixel")


def test_the_last_of_a_list_is_completed_with_what_is_not_named_yet():
    assert completion.complete_corruptions("style,bl") == ["style,blur"]
    assert completion.complete_corruptions("blur,bl") == []


def test_id_maps_runs_and_files_are_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/run-0001", "runs/unfinished", "maps"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/run-0001/run.json").touch()
    for name in ("mine.toml", "w.a.h5", "maps/own.toml"):
        (tmp_path / name).touch()
    assert completion.complete_run("") == ["runs/run-0001"]
    assert completion.complete_scores("w") == ["w.a.h5"]
    assert completion.complete_id_map("m")[-2:] == ["maps/", "mine.toml"]
    assert completion.complete_id_map("maps/o") == ["maps/own.toml"]
    assert "gta5" in completion.complete_id_map("gt")


def test_nothing_heavy_is_imported_for_it():
    code = (
        "import sys; from curate.cli import completion as c\n"
        "for offer in (c.complete_method, c.complete_segmenter, c.complete_layout, "
        "c.complete_column, c.complete_corruptions): offer('')\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
