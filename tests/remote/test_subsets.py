"""Subsets of data sets at URLs, and at URLs, in fsspec's memory."""

import json
from pathlib import Path

import pandas as pd
import pytest

from curate.errors import UsageError
from curate.scoring.score import score
from curate.selection.export import export_subset
from tests.remote.making import memory as memory
from tests.remote.making import upload
from tests.tiny import write_dataset

URL = "memory://bucket"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def scored(finished_run, memory, tmp_path):
    """A data set on the disk and at a URL, and a score file of each."""
    config, _ = finished_run
    local = write_dataset(tmp_path / "pool", 10, is_flat=True, seed=3)
    outs = [tmp_path / "local.h5", tmp_path / "remote.h5"]
    for root, out in zip((local, upload(local, f"{URL}/pool")), outs, strict=True):
        score(root, out, config=config, is_noted=False)
    return outs


def files_of(folder):
    own = {"subset.json", "manifest.csv"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in own
    }


def remote_files(memory, place):
    own = ("subset.json", "manifest.csv")
    return {
        path.removeprefix(f"{place}/"): memory.cat_file(path)
        for path in memory.find(place)
        if not path.endswith(own)
    }


@pytest.mark.parametrize("options", [{"by": "image"}, {"by": "pixel"}, {"format": "folder"}])
def test_subset_of_a_remote_set_is_that_of_the_same_files(scored, tmp_path, options):
    subsets = [tmp_path / "a", tmp_path / "b"]
    for scores, out in zip(scored, subsets, strict=True):
        export_subset(scores, out=out, top="40%", media="copy", **options)
    one, other = map(files_of, subsets)
    assert one == other
    assert one


def test_links_to_a_store_are_refused_and_copies_named(scored, tmp_path):
    with pytest.raises(UsageError, match=r"--media symlink: files at memory://.*--media copy"):
        export_subset(scored[1], out=tmp_path / "subset", top="40%")
    with pytest.raises(UsageError, match=r"--media hardlink: files at memory://.*--media copy"):
        export_subset(scored[0], out=f"{URL}/subset", top="40%", media="hardlink")


def test_manifest_without_media_holds_urls(scored, memory, tmp_path):
    out = tmp_path / "subset"
    export_subset(scored[1], out=out, top="40%", media="none")
    paths = pd.read_csv(out / "manifest.csv")["image_path"]
    assert paths[0].startswith(f"{URL}/pool/images/")
    assert all(memory.exists(path) for path in paths)
    assert json.loads((out / "subset.json").read_text())["dataset_root"] == f"{URL}/pool"
    export_subset(scored[0], out=tmp_path / "other", top="40%", media="none")
    other = pd.read_csv(tmp_path / "other/manifest.csv")["image_path"]
    assert other[0].startswith("images/")


def test_copies_are_made_inside_the_store(scored, memory, tmp_path, monkeypatch):
    copied = []
    copy = type(memory).cp_file
    monkeypatch.setattr(
        type(memory), "cp_file", lambda self, a, b, **_: (copied.append(a), copy(self, a, b))
    )
    monkeypatch.setattr(type(memory), "cat_file", None)  # nothing comes here
    made = export_subset(scored[1], out=f"{URL}/subset", top="40%", media="copy")
    monkeypatch.undo()
    assert str(made.out) == f"{URL}/subset"
    assert len(copied) == 2 * made.images_selected
    export_subset(scored[0], out=tmp_path / "subset", top="40%", media="copy")
    assert remote_files(memory, "/bucket/subset") == files_of(tmp_path / "subset")


def test_record_of_a_remote_subset_comes_last(scored, memory, monkeypatch):
    sent = []
    put = type(memory).put_file
    monkeypatch.setattr(
        type(memory), "put_file", lambda self, a, b, **_: (sent.append(b), put(self, a, b))
    )
    export_subset(scored[0], out=f"{URL}/subset", top="40%", media="copy")
    assert [Path(path).name for path in sent[-1:]] == ["subset.json"]
    assert len(sent) > 3


def test_remote_subset_replaces_its_like_only(scored, memory):
    options = {"out": f"{URL}/subset", "media": "copy"}
    export_subset(scored[1], top="80%", **options)
    before = len(memory.find("/bucket/subset"))
    with pytest.raises(UsageError, match=r"subset exists: .*--overwrite"):
        export_subset(scored[1], top="40%", **options)
    made = export_subset(scored[1], top="40%", overwrite=True, **options)
    after = memory.find("/bucket/subset")
    assert len(after) == 2 * made.images_selected + 2 < before
    with pytest.raises(UsageError, match=r"pool has no subset\.json, so it is nothing of ours"):
        export_subset(scored[1], out=f"{URL}/pool", top="40%", media="copy", overwrite=True)
    assert len(memory.find("/bucket/pool")) == 20


def test_trial_writes_nothing(scored, memory):
    before = memory.find("/bucket")
    export_subset(scored[1], out=f"{URL}/subset", top="40%", media="copy", dry_run=True)
    assert memory.find("/bucket") == before


def test_rewritten_labels_reach_the_store(scored, memory, tmp_path):
    options = {"top": "40%", "by": "pixel", "media": "copy"}
    export_subset(scored[1], out=f"{URL}/subset", **options)
    export_subset(scored[0], out=tmp_path / "subset", **options)
    files = files_of(tmp_path / "subset")
    assert remote_files(memory, "/bucket/subset") == files
    originals = files_of(tmp_path / "pool")
    assert [name for name in files if "labels" in name and files[name] != originals[name]]
