from __future__ import annotations

import h5py
import pytest

from curate.errors import StoreError, UsageError
from curate.scores.schema import Schema
from curate.scores.score_file import ScoreFile
from curate.scores.sources import Merged, open_closed
from tests.scores.making import (
    PROVENANCE,
    assert_near,
    failed_image,
    open_writer,
    scored_image,
    write_scores,
)

OUTS = ["w.h5", "w.parquet", "w"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("out", OUTS)
def test_interrupted_writing_resumes_to_the_same_result(tmp_path, out):
    images = [scored_image(f"i{n}", n / 10) for n in range(5)]
    whole = ScoreFile(write_scores(tmp_path / "whole" / out, images, dataset_root=tmp_path))
    target = tmp_path / "part" / out
    with open_writer(target, dataset_root=tmp_path) as writer:
        writer.append(images[:2])
    with open_writer(target, resume=True, dataset_root=tmp_path) as writer:
        assert writer.done == {"i0", "i1"}
        writer.append(images[2:])
        assert writer.finish() == 10
    resumed = ScoreFile(target)
    assert resumed.images.equals(whole.images)
    assert resumed.regions.equals(whole.regions)
    assert resumed.dataset_root == whole.dataset_root
    assert not (tmp_path / "part" / f"{out}.pieces").exists()


@pytest.mark.parametrize("out", OUTS)
def test_failed_image_is_tried_again_even_when_all_is_finished(tmp_path, out):
    write_scores(tmp_path / out, [failed_image("a"), scored_image("b", 0.2)])
    with open_writer(tmp_path / out, resume=True) as writer:
        assert writer.done == {"b"}
        writer.append([scored_image("a", 0.6)])
        writer.finish()
    scores = ScoreFile(tmp_path / out)
    assert scores.images["status"].tolist() == ["ok", "ok"]
    assert_near(scores.images["score"], [0.6, 0.2])
    assert_near(scores.regions["score"], [0.6, 0.4, 0.2, 0.8])


def test_score_never_yields_to_a_later_failure(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        for image in (failed_image("a"), scored_image("a"), failed_image("a"), failed_image("b")):
            writer.append([image])
        writer.finish()
    assert ScoreFile(tmp_path / "w.h5").images["status"].tolist() == ["ok", "unreadable_image"]


def test_image_twice_in_a_batch_is_refused(tmp_path):
    writer = open_writer(tmp_path / "w.h5")
    with pytest.raises(StoreError, match="twice in one batch"):
        writer.append([scored_image("a"), failed_image("a")])
    writer.close()


def test_nothing_new_leaves_the_finished_file_alone(tmp_path):
    out = write_scores(tmp_path / "w.h5", [scored_image("a")])
    before = out.stat().st_ino
    with open_writer(out, resume=True) as writer:
        assert writer.finish() == 2
    assert out.stat().st_ino == before
    assert names(tmp_path) == ["w.h5", "w.images.parquet", "w.regions.parquet"]


def test_lost_tables_are_written_again(tmp_path):
    out = write_scores(tmp_path / "w.h5", [scored_image("a")])
    (tmp_path / "w.regions.parquet").unlink()
    with open_writer(out, resume=True) as writer:
        writer.finish()
    assert len(ScoreFile(tmp_path / "w.parquet").regions) == 2


@pytest.mark.parametrize("out", OUTS)
def test_existing_file_needs_a_flag(tmp_path, out):
    write_scores(tmp_path / out, [scored_image("a")])
    with pytest.raises(UsageError, match=r"exists already: go on with --resume.*--overwrite"):
        open_writer(tmp_path / out)


def test_unfinished_file_needs_a_flag(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a")])
    with pytest.raises(UsageError, match=r"w\.h5\.pieces holds unfinished scores"):
        open_writer(tmp_path / "w.h5")


def test_both_flags_exclude_each_other(tmp_path):
    with pytest.raises(UsageError, match="exclude each other"):
        open_writer(tmp_path / "w.h5", resume=True, overwrite=True)


@pytest.mark.parametrize("out", OUTS)
def test_overwriting_keeps_the_old_file_until_the_new_one_is_finished(tmp_path, out):
    write_scores(tmp_path / out, [scored_image("a", 0.2), scored_image("b", 0.2)])
    other = PROVENANCE | {"seed": 1}
    with open_writer(tmp_path / out, other, overwrite=True) as writer:
        assert writer.done == set()
        writer.append([scored_image("a", 0.6)])
    assert_near(ScoreFile(tmp_path / out).images["score"], [0.2, 0.2])
    with open_writer(tmp_path / out, other, resume=True) as writer:
        assert writer.done == {"a"}
        writer.finish()
    assert_near(ScoreFile(tmp_path / out).images["score"], [0.6])


def test_overwriting_drops_unfinished_pieces(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a")])
    with open_writer(tmp_path / "w.h5", overwrite=True) as writer:
        assert writer.done == set()


def test_file_without_regions_drops_the_table_of_its_predecessor(tmp_path):
    out = write_scores(tmp_path / "w.h5", [scored_image("a")])
    without = PROVENANCE | {"levels": ["image", "pixel"]}
    write_scores(out, [scored_image("a")], overwrite=True, provenance=without)
    assert not (tmp_path / "w.regions.parquet").exists()
    assert ScoreFile(tmp_path / "w.parquet").images["id"].tolist() == ["a"]


@pytest.mark.parametrize("is_finished", [True, False])
def test_other_provenance_is_refused_naming_the_keys(tmp_path, is_finished):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a")])
        if is_finished:
            writer.finish()
    other = PROVENANCE | {"seed": 1, "classes": {"name": "custom", "names": ["a", "c"]}}
    with pytest.raises(StoreError, match=r"these differ: classes\.names, seed\. Use the same"):
        open_writer(tmp_path / "w.h5", other, resume=True)


def test_second_writer_is_kept_out(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a")])
        for flag in ("resume", "overwrite"):
            with pytest.raises(StoreError, match="is in use by another process"):
                open_writer(tmp_path / "w.h5", **{flag: True})
        writer.append([scored_image("b")])
        writer.finish()
    assert len(ScoreFile(tmp_path / "w.h5").images) == 2


@pytest.mark.parametrize("image_id", ["", "/a", "a//b", "../a", "a/./b", "a\0b", "a\udc80"])
def test_hostile_ids_are_refused(tmp_path, image_id):
    with open_writer(tmp_path / "w.h5") as writer:
        with pytest.raises(StoreError, match=r"cannot be stored\. Rename the file"):
            writer.append([scored_image(image_id)])
        assert writer.done == set()


def test_id_may_be_a_folder_of_others(tmp_path):
    out = write_scores(tmp_path / "w.h5", [scored_image("a/b", 0.2), scored_image("a", 0.6)])
    assert ScoreFile(out).pixel_scores("a")[0, 0] == 153
    assert ScoreFile(out).pixel_scores("a/b")[0, 0] == 51


def test_map_that_does_not_fit_is_refused(tmp_path):
    writer = open_writer(tmp_path / "w.h5", PROVENANCE | {"stride": 3})
    with pytest.raises(StoreError, match=r"uint8 of shape \(2, 2\); uint8 of shape \(1, 2\)"):
        writer.append([scored_image("a")])
    writer.close()


def test_damaged_piece_is_named(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a")])
    piece = next((tmp_path / "w.h5.pieces").glob("piece-*"))
    piece.write_bytes(piece.read_bytes()[:100])
    with pytest.raises(StoreError, match=rf"{piece.name} cannot be read"):
        open_writer(tmp_path / "w.h5", resume=True)


def test_foreign_folder_is_never_replaced(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"holds 'thesis\.tex', which 'curate score' did"):
        open_writer(tmp_path / "w", overwrite=True)


def test_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "w").mkdir()
    write_scores(tmp_path / "w", [scored_image("a")])
    assert names(tmp_path / "w") == [
        "part-00001.h5",
        "part-00001.images.parquet",
        "part-00001.regions.parquet",
    ]


def test_folder_in_the_place_of_a_file_makes_shards(tmp_path):
    (tmp_path / "w.h5").mkdir()
    write_scores(tmp_path / "w.h5", [scored_image("a")])
    assert ScoreFile(tmp_path / "w.h5").images["id"].tolist() == ["a"]


def test_maps_are_copied_without_being_packed_again(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a", size=(64, 64))])
        piece = next((tmp_path / "w.h5.pieces").glob("piece-*"))
        with h5py.File(piece) as file:
            before = file["pixel_scores/32x32"].id.read_direct_chunk((0, 0, 0))
        writer.finish()
    with h5py.File(tmp_path / "w.h5") as file:
        assert file["pixel_scores/32x32"].id.read_direct_chunk((0, 0, 0)) == before


def test_neighbours_from_different_pieces_keep_their_own_regions(tmp_path):
    # Rows 2 and 3 of the second piece follow, by number only, on rows 0 and 1 of the first.
    pairs = [("a", 0.1), ("c", 0.3), ("d", 0.4), ("b", 0.2)]
    out = write_scores(tmp_path / "w.h5", [scored_image(*pair) for pair in pairs])
    assert_near(ScoreFile(out).regions["score"][::2], [0.1, 0.2, 0.3, 0.4])


def test_regions_are_read_in_blocks_of_a_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.scores.sources._BLOCK_ROWS", 4)
    out = write_scores(tmp_path / "w.h5", [scored_image(f"i{n}") for n in range(5)])
    merged = Merged([open_closed(out)], Schema(), num_classes=2)
    blocks = list(merged.regions(range(5)))
    merged.close()
    images = [block["image"].tolist() for _, block in blocks]
    assert images == [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4]]
    assert [rows for rows, _ in blocks] == [range(2), range(2, 4), range(4, 5)]


def test_work_folder_that_a_killed_process_was_removing_disappears(tmp_path):
    (tmp_path / ".w.h5.pieces.partial-1-00000000-00000000").mkdir()
    write_scores(tmp_path / "w.h5", [scored_image("a")])
    assert names(tmp_path) == ["w.h5", "w.images.parquet", "w.regions.parquet"]


def test_unequal_numbers_of_regions_stay_with_their_images(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.scores.sources._BLOCK_ROWS", 3)
    ids = ["d", "a", "e", "c", "b"]
    images = [scored_image(image_id, n / 10) for n, image_id in enumerate(ids)]
    images.insert(2, failed_image("bb"))
    out = write_scores(tmp_path / "w.h5", images)
    for path in (out, tmp_path / "w.parquet"):
        scores = ScoreFile(path)
        of_region = scores.images["score"].to_numpy()[scores.regions["image"]]
        is_first = scores.regions["region"] == 0
        assert_near(scores.regions["score"][is_first], of_region[is_first])
        assert scores.regions["image"].tolist() == [0, 0, 1, 1, 3, 3, 4, 4, 5, 5]


@pytest.mark.slow
@pytest.mark.parametrize("max_open", [1, 16])
def test_file_that_is_added_to_is_read_to_the_end_before_it_is_replaced(
    tmp_path, monkeypatch, max_open
):
    monkeypatch.setattr("curate.scores.sources._MAX_OPEN_FILES", max_open)
    images = [scored_image(f"i{n:02}", n / 40, size=(3, 4 + 2 * (n % 3))) for n in range(40)]
    out = write_scores(tmp_path / "w.h5", images[1::2])
    with open_writer(out, resume=True) as writer:
        for image in images[::2]:
            writer.append([image])
        writer.finish()
    whole = write_scores(tmp_path / "whole.h5", images)
    for name in ("w.h5", "w.parquet"):
        scores, expected = ScoreFile(tmp_path / name), ScoreFile(whole)
        assert scores.regions.equals(expected.regions)
    assert ScoreFile(out).pixel_scores("i39")[0, 0] == round(39 / 40 * 255)
