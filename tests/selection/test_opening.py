from __future__ import annotations

from contextlib import ExitStack

import pytest

from curate.errors import StoreError, UsageError
from curate.selection.opening import open_sources
from tests.scores.making import PROVENANCE, scored_image, write_scores


def write_set(folder, name, **provenance):
    about = PROVENANCE | {"dataset": {"layout": "folder", "name": name}} | provenance
    (folder / name).mkdir()
    return write_scores(
        folder / f"{name}.h5", [scored_image("a")], provenance=about, dataset_root=folder / name
    )


def test_each_file_comes_with_its_data_set_and_what_ranks_it(tmp_path):
    one = write_set(tmp_path, "one", rank_by="weight")
    two = write_set(tmp_path, "two", rank_by="weight")
    with ExitStack() as stack:
        (alone,) = open_sources(stack, [one], dataset=tmp_path / "two")
        assert (alone.root, alone.rank_by, alone.is_joined) == (tmp_path / "two", "weight", False)
        both = open_sources(stack, [one, str(two)], rank_by="score")
        assert [own.root for own in both] == [tmp_path / "one", tmp_path / "two"]
        assert [(own.rank_by, own.is_joined) for own in both] == [("score", True)] * 2


def test_what_cannot_be_taken_together_is_refused(tmp_path):
    one = write_set(tmp_path, "one")
    two, other = write_set(tmp_path, "two"), write_set(tmp_path, "other", run="another")
    with ExitStack() as stack:
        with pytest.raises(UsageError, match="no score file is named"):
            open_sources(stack, [])
        with pytest.raises(UsageError, match=r"--dataset d says where one .* 2 score files"):
            open_sources(stack, [one, two], dataset="d")
        with pytest.raises(UsageError, match=r"one\.h5 is named twice"):
            open_sources(stack, [one, tmp_path / "one" / ".." / "one.h5"])
        with pytest.raises(
            StoreError, match=r"differ: run\. Take together only what was scored as"
        ):
            open_sources(stack, [one, other])
