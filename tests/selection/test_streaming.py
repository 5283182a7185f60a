from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from curate.errors import StoreError
from curate.scores.score_file import ScoreFile
from curate.selection import cuts, streaming
from curate.selection.choose import choose_images, choose_regions
from curate.selection.export import export_subset
from curate.selection.settings import ExportSettings
from curate.selection.source import SubsetSource
from tests.scores.making import failed_image, scored_image, write_scores
from tests.selection.making import Warnings

CUTS = [{"top": "30%"}, {"top": "100%"}, {"count": 1}, {"count": 7}, {"threshold": 0.5}]


def blocks_of(values, size):
    return [values[first : first + size] for first in range(0, len(values), size)]


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_kept_as_of_all_values_at_once(cut, seed):
    rng = np.random.default_rng(seed)
    values = rng.choice([-1e-7, -0.0, 0.0, 1e-40, 0.3, 0.5, 0.50000006, 1.0, 7.5, np.nan], 40)
    values = values.astype(np.float32)
    blocks = blocks_of(values, 7)
    best = streaming.find_best(lambda: blocks, cuts.make_cut(**cut))
    kept = np.concatenate([best.mark(block) for block in blocks])
    assert kept.tolist() == cuts.select(values, cuts.make_cut(**cut)).tolist()


def test_of_no_value_none_is_kept():
    values = np.full(3, np.nan, np.float32)
    best = streaming.find_best(lambda: [values], cuts.make_cut(top="50%"))
    assert best.mark(values).tolist() == [False] * 3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of several shards, read in blocks of three rows; every score occurs twice."""
    monkeypatch.setattr("curate.scores.h5_read.BLOCK_ROWS", 3)
    monkeypatch.setattr("curate.selection.streaming.BLOCK_ROWS", 3)
    images = [scored_image(f"i{n}", (n % 5) / 10 + 0.05) for n in range(10)]
    images.append(failed_image("i9a"))
    out = write_scores(tmp_path / "w", images, shard_bytes=90_000)
    assert len(list(out.glob("*.h5"))) > 2
    return out


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("rank_by", ["score", "weight"])
def test_regions_of_a_folder_are_chosen_as_in_memory(folder, cut, rank_by):
    with ScoreFile(folder) as file:
        source = SubsetSource(file, folder.parent, rank_by)
        settings = ExportSettings(by="region", rank_by=rank_by, **cut)
        (choice,) = choose_regions([source], settings, Warnings())
        kept = cuts.select(source.region_scores, settings.cut)
        image, px = file.region_column("image"), file.region_column("valid_px")
        expected = np.bincount(image, px * kept, file.num_images)
        assert choice.kept_px.tolist() == expected.tolist()
        assert (choice.selected, choice.of) == (kept.sum(), 20)
        assert choice.best == np.nanmax(source.region_scores)
        for row in np.flatnonzero(choice.is_selected).tolist():
            left, right = kept[image == row]
            assert choice.mask_of(row)[0].tolist() == [left] * 2 + [right] * 2


def test_regions_of_several_sets_are_cut_as_one(folder, tmp_path):
    other = write_scores(tmp_path / "v.h5", [scored_image("k", 0.35)])
    with ScoreFile(folder) as one, ScoreFile(other) as two:
        sources = [SubsetSource(file, tmp_path, is_joined=True) for file in (one, two)]
        settings = ExportSettings(by="region", count=3)
        choices = choose_regions(sources, settings, Warnings())
        kept = cuts.select(np.concatenate([s.region_scores for s in sources]), settings.cut)
        assert [choice.selected for choice in choices] == [kept[:20].sum(), kept[20:].sum()]


def test_images_left_out_are_no_candidates(folder, tmp_path):
    with ScoreFile(folder) as file:
        source = replace(SubsetSource(file, tmp_path), left_out={4: "near-duplicate"})
        for choose, by in ((choose_images, "image"), (choose_regions, "region")):
            (choice,) = choose([source], ExportSettings(by=by, threshold=0.3), Warnings())
            assert not choice.is_selected[4]
            assert choice.is_selected[9]


def test_tables_alone_of_a_folder_are_cut_like_the_folder(folder, tmp_path):
    alone = tmp_path / "tables"
    alone.mkdir()
    for table in folder.glob("*.parquet"):
        shutil.copy(table, alone)
    options = {"out": tmp_path / "s", "top": "40%", "media": "none", "dry_run": True}
    found = [export_subset(path, **options) for path in (folder, alone)]
    assert found[0].classes == found[1].classes
    assert [each.selected for each in found] == [4, 4]
    with ScoreFile(folder) as whole, ScoreFile(alone) as tables:
        assert tables.images.equals(whole.images)
        assert tables.regions.equals(whole.regions)
        assert not tables.has_maps


def test_map_that_names_a_region_its_table_lacks_is_refused(folder):
    with ScoreFile(folder) as file:
        source = SubsetSource(file, folder.parent)
        number = np.zeros(1, np.int32)
        with pytest.raises(StoreError, match="names regions that its table does not have"):
            streaming.place_regions(source, 0, number)


def test_cells_are_in_the_region_of_their_number(folder):
    with ScoreFile(folder) as file:
        source = SubsetSource(file, folder.parent)
        cells = file.region_ids(source.id_of(0))
        places = streaming.place_regions(source, 0, np.array([1, 0], np.int32))
        assert places.tolist() == (1 - cells.astype(int)).tolist()
