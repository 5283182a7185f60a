from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from curate.cluster import parts as part_files
from curate.errors import StoreError, UsageError
from curate.job import Shard
from curate.scores import h5_read
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from tests.scores.making import PROVENANCE, failed_image, scored_image, write_scores

IMAGES = [scored_image(f"i{n}", n / 10) for n in range(6)]
KINDS = {"h5": ".h5", "tables": ".parquet", "shards": ""}


def provenance_of(num_images):
    return PROVENANCE | {"dataset": PROVENANCE["dataset"] | {"images": num_images}}


@pytest.fixture
def parts(tmp_path):
    """The same six images in one file, and in two parts, one of them with a failure."""

    def write(suffix, num_images=6):
        options = {"provenance": provenance_of(num_images), "dataset_root": tmp_path}
        first = write_scores(tmp_path / f"a{suffix}", [*IMAGES[:3], failed_image("i4")], **options)
        second = write_scores(tmp_path / f"b{suffix}", IMAGES[3:], **options)
        return [first, second], write_scores(tmp_path / f"whole{suffix}", IMAGES, **options)

    return write


@pytest.mark.parametrize("suffix", KINDS.values(), ids=KINDS)
def test_parts_become_the_file_that_one_scorer_writes(parts, tmp_path, suffix):
    paths, whole = parts(suffix)
    result = merge(paths, tmp_path / f"all{suffix}")
    assert (result.images, result.scored, result.failed, result.missing) == (6, 6, 0, 0)
    assert (result.parts, result.regions) == (2, 12)
    joined, expected = ScoreFile(tmp_path / f"all{suffix}"), ScoreFile(whole)
    assert joined.images.equals(expected.images)
    assert joined.regions.equals(expected.regions)
    assert joined.provenance == expected.provenance
    assert joined.dataset_root == expected.dataset_root
    if joined.has_maps:
        for image_id in joined.images["id"]:
            assert (joined.pixel_scores(image_id) == expected.pixel_scores(image_id)).all()
            assert (joined.region_ids(image_id) == expected.region_ids(image_id)).all()


def test_maps_are_not_packed_again(parts, tmp_path):
    paths, _ = parts(".h5")
    merge(paths, tmp_path / "all.h5")
    with h5py.File(paths[0]) as before, h5py.File(tmp_path / "all.h5") as after:
        for group in ("pixel_scores", "pixel_weights", "region_ids"):
            chunks = [
                file[f"{group}/2x2"].id.read_direct_chunk((1, 0, 0)) for file in (before, after)
            ]
            assert chunks[0] == chunks[1]


def test_images_in_no_part_are_counted(parts, tmp_path):
    paths, _ = parts(".h5", num_images=9)
    with pytest.raises(StoreError, match=r"^3 images .* in none of the files, which hold 6\."):
        merge(paths, tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()
    assert merge(paths, tmp_path / "all.h5", partial=True).missing == 3
    assert ScoreFile(tmp_path / "all.h5").provenance["partial"] == {"images": 3, "parts": []}


def test_tables_alone_make_no_maps(parts, tmp_path):
    paths, _ = parts(".parquet")
    with pytest.raises(StoreError, match=r"holds tables only, no pixel_scores: name an --out"):
        merge(paths, tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()


def test_other_settings_are_refused(tmp_path):
    first = write_scores(tmp_path / "a.h5", IMAGES[:1])
    second = write_scores(tmp_path / "b.h5", IMAGES[1:], provenance=PROVENANCE | {"seed": 1})
    with pytest.raises(StoreError, match=r"b\.h5 comes from other settings; these differ: seed\."):
        merge([first, second], tmp_path / "all.h5")


def scored_set(folder, name, ids, **changes):
    """A score file of a data set of its own."""
    dataset = {"layout": "folder", "name": name, "fingerprint": name, "images": len(ids) + 1}
    provenance = PROVENANCE | {"dataset": dataset} | changes
    (folder / "sets" / name).mkdir(parents=True, exist_ok=True)
    images = [*[scored_image(i, score) for i, score in ids.items()], failed_image("z")]
    options = {"provenance": provenance, "dataset_root": folder / "sets" / name}
    return write_scores(folder / f"{len(list(folder.iterdir()))}.h5", images, **options)


def test_images_of_several_data_sets_are_told_apart_by_name(tmp_path):
    versions = {"versions": {"numpy": "1"}}
    parts = [
        scored_set(tmp_path, "gta", {"a": 0.2, "b/c": 0.4}, id_map={"name": "gta"}),
        scored_set(tmp_path, "carla", {"a": 0.6}, id_map={"name": "carla"}, **versions),
    ]
    result = merge(parts, tmp_path / "all.h5", root=tmp_path)
    assert (result.images, result.scored, result.missing) == (5, 3, 0)
    scores = ScoreFile(tmp_path / "all.h5")
    assert scores.images["id"].tolist() == ["carla/a", "carla/z", "gta/a", "gta/b/c", "gta/z"]
    assert scores.images["image_path"].tolist()[3] == "gta/images/b/c.png"
    assert scores.dataset_root == tmp_path / "sets"
    assert scores.pixel_scores("gta/a")[0, 0] == 51
    assert scores.pixel_scores("carla/a")[0, 0] == 153
    assert scores.regions["id"].tolist()[::2] == ["carla/a", "gta/a", "gta/b/c"]
    dataset = scores.provenance["dataset"]
    assert [part["name"] for part in dataset["parts"]] == ["gta", "carla"]
    assert (dataset["images"], scores.provenance["id_map"]) == (5, None)
    assert scores.about.origin_of("gta/b/c").id_map == {"name": "gta"}
    assert scores.about.origin_of("carla/a").id_map == {"name": "carla"}
    with pytest.raises(StoreError, match="'gt/a' is of none of the data sets that were merged"):
        scores.about.start_of("gt/a")


def test_data_sets_of_one_name_are_refused(tmp_path):
    parts = [scored_set(tmp_path, "gta", {"a": 0.2}), scored_set(tmp_path, "gta", {"b": 0.2})]
    changed = PROVENANCE | {"dataset": {"layout": "folder", "name": "gta", "fingerprint": "new"}}
    parts.append(write_scores(tmp_path / "new.h5", [scored_image("c")], provenance=changed))
    merge(parts[:2], tmp_path / "all.h5", root=tmp_path)
    with pytest.raises(StoreError, match="of 2 data sets, or states of them, called 'gta', 'gta'"):
        merge(parts, tmp_path / "more.h5", root=tmp_path)


def test_an_image_scored_twice_is_refused(tmp_path):
    first = write_scores(tmp_path / "a.h5", IMAGES[:2])
    second = write_scores(tmp_path / "b.h5", IMAGES[1:])
    with pytest.raises(StoreError, match=r"image 'i1' was scored in .*a\.h5 and in .*b\.h5"):
        merge([first, second], tmp_path / "all.h5")


def test_existing_output_is_replaced_only_on_demand(parts, tmp_path):
    paths, whole = parts(".h5")
    before = whole.read_bytes()
    with pytest.raises(UsageError, match="replace it with --overwrite"):
        merge(paths, whole)
    assert whole.read_bytes() == before
    merge(paths, whole, overwrite=True)
    with pytest.raises(UsageError, match="is one of the files to merge"):
        merge(paths, paths[0], overwrite=True)


@pytest.mark.parametrize("suffix", KINDS.values(), ids=KINDS)
def test_what_was_put_together_before_is_left_as_it_is(parts, tmp_path, suffix):
    paths, whole = parts(suffix)
    out = tmp_path / f"all{suffix}"
    merge(paths, out)
    stamps = {path: path.stat().st_ino for path in tmp_path.rglob("all*")}
    assert merge(paths, out, resume=True).regions == 12
    assert {path: path.stat().st_ino for path in tmp_path.rglob("all*")} == stamps
    with pytest.raises(UsageError, match="holds other scores than these files make"):
        merge(paths[:1], out, resume=True, partial=True)
    with pytest.raises(UsageError, match="holds other scores"):
        merge(paths[:1], whole, resume=True, partial=True)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("all*")} == stamps
    assert merge(paths[:1], out, resume=True, partial=True, overwrite=True).images == 4
    assert ScoreFile(out).num_images == 4


@pytest.mark.parametrize("suffix", [".h5", ".parquet"])
@pytest.mark.parametrize("gone", ["", ".images.parquet", ".regions.parquet"])
def test_interrupted_merge_is_finished(parts, tmp_path, suffix, gone):
    paths, _ = parts(suffix)
    merge(paths, out := tmp_path / f"all{suffix}")
    if gone or suffix == ".h5":
        (tmp_path / f"all{gone or suffix}").unlink()
    with pytest.raises(UsageError, match="go on with --resume, replace it with --overwrite"):
        merge(paths, out)
    merge(paths, out, resume=True)
    names = {"all.images.parquet", "all.regions.parquet"} | ({"all.h5"} - {f"all{suffix}x"})
    found = {path.name for path in tmp_path.glob("all*")}
    assert found == (names if suffix == ".h5" else names - {"all.h5"})


def test_missing_part_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"gone\.h5 does not exist"):
        merge([tmp_path / "gone.h5"], tmp_path / "all.h5")


@pytest.fixture
def array(tmp_path, monkeypatch):
    """Three parts of an array, the second without an image; 6 images in all."""
    monkeypatch.chdir(tmp_path)
    for number, images in enumerate((IMAGES[:2], [], IMAGES[2:]), start=1):
        command = ("curate", "score", "gta5")
        path = part_files.choose_path(Path("all.h5"), "auto/3", Shard(number, 3), command)
        write_scores(path, images, provenance=provenance_of(6))
        part_files.seal(path)
    return Path("all.h5.parts")


def test_folder_of_parts_is_merged_as_a_whole(array, tmp_path):
    result = merge([array], tmp_path / "all.h5")
    assert (result.parts, result.images, result.missing, result.missing_parts) == (3, 6, 0, ())
    assert len(ScoreFile(tmp_path / "all.h5").images) == 6


def test_each_part_is_opened_twice_however_many_there_are(array, tmp_path, monkeypatch):
    opened = []
    real = h5_read.open_h5
    monkeypatch.setattr(h5_read, "open_h5", lambda path: opened.append(path.name) or real(path))
    monkeypatch.setattr("curate.scores.sources._MAX_OPEN_FILES", 1)
    merge([array], tmp_path / "w.h5", root=tmp_path)
    assert [opened.count(f"part-000{number}-of-0003.h5") for number in (1, 2, 3)] == [2, 1, 2]


def test_output_among_the_parts_is_refused(array, tmp_path):
    with pytest.raises(UsageError, match="is one of the files to merge: name another one"):
        merge([array], array / "part-0001-of-0003.h5", overwrite=True)
    assert part_files.survey(array).problems == {}


def test_folder_that_lacks_parts_is_merged_on_demand_only(array, tmp_path):
    first, second = (array / f"part-000{number}-of-0003.h5" for number in (1, 2))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.unlink()
    with pytest.raises(StoreError) as error:
        merge([array], tmp_path / "all.h5")
    told = str(error.value).splitlines()
    assert told[0] == "all.h5.parts holds 1 of 3 parts, without 1-2:"
    assert told[1] == "  1: damaged: not what was written"
    assert told[4] == f"    curate score gta5 --out {second} --shard 2/3 --resume"
    assert told[5] == "Make them and merge again, or add --partial."
    result = merge([array], tmp_path / "all.h5", partial=True)
    assert (result.images, result.missing, result.missing_parts) == (4, 2, (1, 2))
    about = ScoreFile(tmp_path / "all.h5").provenance
    assert about["partial"] == {"images": 2, "parts": [1, 2]}


def test_folder_without_a_sound_part_is_never_merged(array, tmp_path):
    for path in array.glob("*.sha256"):
        path.unlink()
    with pytest.raises(StoreError, match="holds 0 of 3 parts, without 1-3"):
        merge([array], tmp_path / "all.h5", partial=True)


def test_what_was_partial_is_whole_once_the_rest_is_there(tmp_path):
    first = write_scores(tmp_path / "a.h5", IMAGES[:2], provenance=provenance_of(6))
    rest = write_scores(tmp_path / "b.h5", IMAGES[2:], provenance=provenance_of(6))
    merge([first], tmp_path / "some.h5", partial=True)
    merge([tmp_path / "some.h5", rest], tmp_path / "all.h5")
    assert "partial" not in ScoreFile(tmp_path / "all.h5").provenance
