from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace as replaced
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate.data.idmaps import IdMap
from curate.errors import DataError, StoreError, UsageError
from curate.scores.maps import read_label_map
from curate.scores.packing import pack
from curate.scores.schema import IMAGE_COLUMNS
from curate.scores.score_file import ScoreFile
from tests.scores.making import (
    PROVENANCE,
    assert_near,
    failed_image,
    open_writer,
    scored_image,
    write_scores,
)

OUTS = ["w.h5", "w.parquet", "w"]


@pytest.fixture(scope="module")
def images():
    return [scored_image("b/2", 0.2), failed_image("c"), scored_image("b/1", 0.8)]


@pytest.fixture(scope="module")
def written(tmp_path_factory, images):
    """Score files of all kinds, never changed."""
    folder = tmp_path_factory.mktemp("written")
    for out in OUTS:
        write_scores(folder / out.partition(".")[2] / out, images, dataset_root=folder)
    return folder


@pytest.fixture
def h5(tmp_path, written):
    """A copy to damage."""
    return Path(shutil.copytree(written / "h5", tmp_path, dirs_exist_ok=True)) / "w.h5"


@pytest.fixture(params=OUTS)
def scores(request, written):
    return ScoreFile(written / request.param.partition(".")[2] / request.param)


def test_tables_come_back_sorted_by_id(scores):
    table = scores.images
    assert table["id"].tolist() == ["b/1", "b/2", "c"]
    assert table["image_path"].tolist() == ["images/b/1.png", "images/b/2.png", "images/c.png"]
    assert table["status"].tolist() == ["ok", "ok", "unreadable_image"]
    assert table["message"].tolist() == ["", "", "cannot be \N{REPLACEMENT CHARACTER} read"]
    assert table["valid_px"].tolist() == [12, 12, 0]
    assert_near(table["score"], [0.8, 0.2, np.nan])
    assert_near(table["pixel_score"], [0.1, 0.025, np.nan])
    np.testing.assert_array_equal(scores.class_px, [[12, 0], [12, 0], [0, 0]])
    assert_near(scores.class_score, [[0.8, np.nan], [0.2, np.nan], [np.nan, np.nan]])


def test_regions_point_to_the_rows_of_their_images(scores):
    regions = scores.regions
    assert regions["image"].tolist() == [0, 0, 1, 1]
    assert regions["region"].tolist() == [0, 1, 0, 1]
    assert regions["left"].tolist() == [0, 2, 0, 2]
    assert regions["right"].tolist() == [2, 4, 2, 4]
    assert regions["area_px"].tolist() == [6, 6, 6, 6]
    assert_near(regions["score"], [0.8, 0.2, 0.2, 0.8])


def test_provenance_and_root_come_back(scores, written):
    assert scores.provenance == PROVENANCE
    assert scores.dataset_root == written


@pytest.mark.parametrize("out", ["h5/w.h5", "w"])
def test_maps_come_back(written, out):
    scores = ScoreFile(written / out)
    assert_near(scores.pixel_scores("b/1"), np.full((2, 2), 204))
    np.testing.assert_array_equal(scores.region_ids("b/2"), [[0, 1], [0, 1]])
    assert scores.pixel_scores("b/1").dtype == np.uint8
    assert scores.region_ids("b/1").dtype == np.uint16


def test_parquet_tables_have_the_same_columns_and_provenance(h5):
    with h5py.File(h5) as file:
        for name in ("images", "regions"):
            table = pq.read_table(h5.with_name(f"w.{name}.parquet"))
            assert set(table.column_names) == set(file[name])
            assert table.schema.metadata[b"provenance"] == file.attrs["provenance"]


def test_levels_decide_what_is_stored(tmp_path, images):
    provenance = PROVENANCE | {"levels": ["image"]}
    scores = ScoreFile(write_scores(tmp_path / "w.h5", images, provenance=provenance))
    assert len(scores.regions) == 0
    assert scores.images["map_row"].tolist() == [-1, -1, -1]
    assert not (tmp_path / "w.regions.parquet").exists()
    with pytest.raises(StoreError, match=r"no pixel_scores of image 'b/1'\. Score again"):
        scores.pixel_scores("b/1")


def test_score_file_can_be_pickled_and_opens_again_after_closing(h5):
    scores = ScoreFile(h5)
    first = scores.pixel_scores("b/1")
    copy = pickle.loads(pickle.dumps(scores))
    scores.close()
    assert_near(copy.pixel_scores("b/1"), first)
    assert_near(scores.pixel_scores("b/1"), first)
    assert len(scores.regions) == 4


def test_forked_process_opens_the_file_for_itself(h5, monkeypatch):
    scores = ScoreFile(h5)
    scores.pixel_scores("b/1")
    inherited = scores.parts[0]._file
    monkeypatch.setattr(os, "getpid", lambda: -1)
    scores.pixel_scores("b/1")
    assert scores.parts[0]._file is not inherited
    assert not inherited


def test_unknown_and_failed_images_have_no_maps(h5):
    scores = ScoreFile(h5)
    with pytest.raises(StoreError, match="no image 'd'"):
        scores.pixel_scores("d")
    with pytest.raises(StoreError, match=r"'c' was not scored \(status unreadable_image\)"):
        scores.region_ids("c")


def test_tables_alone_have_no_maps(tmp_path, images):
    scores = ScoreFile(write_scores(tmp_path / "w.parquet", images))
    assert not scores.has_maps
    with pytest.raises(StoreError, match=r"holds no pixel_scores .*--out NAME.h5"):
        scores.pixel_scores("b/1")
    assert ScoreFile(tmp_path / "w.images.parquet").images["id"].tolist() == ["b/1", "b/2", "c"]


def test_shards_stay_below_the_limit_and_read_as_one(tmp_path):
    images = [scored_image(f"i{n}", n / 20) for n in range(20)]
    out = write_scores(tmp_path / "w", images, shard_bytes=100_000)
    shards = sorted(out.glob("part-*.h5"))
    assert len(shards) > 1
    assert all(shard.stat().st_size <= 100_000 for shard in shards)
    scores = ScoreFile(out)
    assert scores.images["id"].tolist() == sorted(image.pair.id for image in images)
    assert scores.regions["image"].tolist() == [n // 2 for n in range(40)]
    assert scores.pixel_scores("i9")[0, 0] == round(9 / 20 * 255)
    assert ScoreFile(shards[-1]).regions["image"].iloc[0] == 0


def test_parts_of_one_data_set_scored_apart_read_as_one(tmp_path):
    write_scores(tmp_path / "w" / "two.h5", [scored_image("a", 0.1), scored_image("d", 0.4)])
    write_scores(tmp_path / "w" / "one.h5", [scored_image("c", 0.3), scored_image("b", 0.2)])
    scores = ScoreFile(tmp_path / "w")
    assert_near(scores.images["score"], [0.1, 0.2, 0.3, 0.4])
    assert scores.regions["image"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert_near(scores.regions["score"][::2], [0.1, 0.2, 0.3, 0.4])
    assert scores.pixel_scores("d")[0, 0] == 102


def test_parts_of_different_provenance_are_refused(tmp_path):
    write_scores(tmp_path / "w" / "a.h5", [scored_image("a")])
    other = PROVENANCE | {"seed": 1, "dataset": PROVENANCE["dataset"] | {"fingerprint": "g"}}
    write_scores(tmp_path / "w" / "b.h5", [scored_image("b")], provenance=other)
    with pytest.raises(StoreError, match=r"these differ: dataset\.fingerprint, seed\."):
        ScoreFile(tmp_path / "w")


def test_image_in_two_parts_is_refused(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_scores(tmp_path / "w" / name, [scored_image("a")])
    with pytest.raises(StoreError, match="id occurs twice"):
        _ = ScoreFile(tmp_path / "w").images


def test_tables_of_different_score_files_are_refused(tmp_path):
    write_scores(tmp_path / "w.parquet", [scored_image("a")])
    write_scores(tmp_path / "v.parquet", [scored_image("b")])
    (tmp_path / "v.regions.parquet").replace(tmp_path / "w.regions.parquet")
    with pytest.raises(StoreError, match="are of different score files"):
        ScoreFile(tmp_path / "w.parquet")


@pytest.mark.parametrize("name", ["w.h5", "w.images.parquet"])
@pytest.mark.parametrize("share", [0, 0.001, 0.01, *np.arange(0.02, 1, 0.07), 0.999])
def test_truncated_files_are_one_message(h5, name, share):
    path = h5.with_name(name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(StoreError, match=r"cannot be read: .* damaged or not a score file"):
        _ = ScoreFile(path).images


@pytest.mark.parametrize("seed", range(15))
def test_flipped_bytes_never_raise_anything_but_store_errors(h5, seed):
    rng = np.random.default_rng(seed)
    content = np.frombuffer(h5.read_bytes(), np.uint8).copy()
    spots = rng.integers(0, len(content), 20)
    content[spots] = rng.integers(0, 256, 20)
    h5.write_bytes(content.tobytes())
    try:
        scores = ScoreFile(h5)
        scores.regions  # noqa: B018
        for image_id in scores.images["id"][scores.images["status"] == "ok"]:
            scores.pixel_scores(image_id)
    except StoreError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"none\.h5 does not exist"):
        ScoreFile(tmp_path / "none.h5")
    with pytest.raises(StoreError, match=r"none\.images\.parquet does not exist"):
        ScoreFile(tmp_path / "none.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="empty holds no scores"):
        ScoreFile(tmp_path / "empty")
    with pytest.raises(UsageError, match="is no name for a score file"):
        ScoreFile(tmp_path / "w.csv")
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(StoreError, match="is not a score file"):
        ScoreFile(tmp_path / "f.h5")


def test_newer_version_is_named_beside_ours(h5):
    with h5py.File(h5, "a") as file:
        file.attrs["format_version"] = 7
    with pytest.raises(
        StoreError, match=r"format version 7; this curate reads version 2\. Install"
    ):
        ScoreFile(h5)


def test_files_of_before_the_first_release_are_refused(h5):
    table = pq.read_table(h5.with_name("w.images.parquet"))
    old = table.replace_schema_metadata(table.schema.metadata | {b"format_version": b"1"})
    pq.write_table(old, h5.with_name("w.images.parquet"))
    with h5py.File(h5, "a") as file:
        file.attrs["format_version"] = 1
        for name in ("format", "provenance"):  # strings of variable length, as they were then
            file.attrs[name] = file.attrs[name].decode()
    message = r"w.* has format version 1, of before the first release\. Score the data set again"
    for path in (h5, h5.with_name("w.parquet")):
        with pytest.raises(StoreError, match=message):
            ScoreFile(path)


@pytest.mark.parametrize("version", [0, -1, "1", 1.5])
def test_impossible_versions_are_refused(h5, version):
    with h5py.File(h5, "a") as file:
        file.attrs["format_version"] = version
    with pytest.raises(StoreError, match="never was"):
        ScoreFile(h5)


@pytest.mark.parametrize("provenance", ["", "[1]", "{", 5, "[" * 100_000])
def test_unreadable_provenance_is_refused(h5, provenance):
    with h5py.File(h5, "a") as file:
        file.attrs["provenance"] = np.bytes_(str(provenance))
    with pytest.raises(StoreError, match="no readable provenance"):
        ScoreFile(h5)


def replace(file, path, **kwargs):
    del file[path]
    file.create_dataset(path, **kwargs)


TAMPERINGS = {
    "'images/score' is missing": lambda f: f.__delitem__("images/score"),
    "is of type int64, not float32": lambda f: replace(f, "images/score", data=[1, 2, 3]),
    "is of type float64, not fixed-length UTF-8": lambda f: replace(
        f, "images/id", data=[1.0, 2.0, 3.0]
    ),
    r"column 'score' has shape \(2,\)": lambda f: replace(
        f, "images/score", data=np.float32([0.1, 0.2])
    ),
    r"column 'class_px' has shape \(3,\)": lambda f: replace(
        f, "images/class_px", data=np.zeros(3, np.int64)
    ),
    "which the file cannot hold": lambda f: replace(
        f, "images/score", shape=(10**11,), dtype="f4", chunks=(10**6,)
    ),
    "an image id occurs twice": lambda f: f["images/id"].__setitem__(1, "b/1"),
    "has an empty, '.' or '..' part": lambda f: f["images/id"].__setitem__(1, "../b"),
    "negative size": lambda f: f["images/height"].__setitem__(0, -1),
    "column 'width' has 0 in row 1, which is without a pixel": lambda f: f[
        "images/width"
    ].__setitem__(1, 0),
    "column 'valid_px' has -1 in row 2": lambda f: f["images/valid_px"].__setitem__(2, -1),
    "column 'score' has nan in row 0, which is no score, but status ok": lambda f: f[
        "images/score"
    ].__setitem__(0, np.nan),
    r"column 'score' has 1.5 in row 1, which is not in \[0, 1\]": lambda f: f[
        "images/score"
    ].__setitem__(1, 1.5),
    "column 'weight' has nan in row 0, which is no weight, but status ok": lambda f: f[
        "images/weight"
    ].__setitem__(0, np.nan),
    "column 'image_weight' has -0.5 in row 1, which is no weight": lambda f: f[
        "images/image_weight"
    ].__setitem__(1, -0.5),
    "column 'map_row' has -2 in row 0, which is no row": lambda f: f["images/map_row"].__setitem__(
        0, -2
    ),
    "column 'id' is of type string_info": lambda f: replace(
        f, "images/id", data=["b/1", "b/2", "c"], dtype=h5py.string_dtype()
    ),
    "'images/height' points to another file": lambda f: (
        f.__delitem__("images/height"),
        f["images"].create_virtual_dataset("height", h5py.VirtualLayout((3,), "i4")),
    ),
    "'images/score' points to another file": lambda f: (
        f.__delitem__("images/score"),
        f["images"].create_dataset("score", (3,), "f4", external=[("secret.bin", 0, 12)]),
    ),
    "'images/score' claims 400000000 bytes, which the file cannot hold": lambda f: replace(
        f, "images/score", shape=(3,), dtype="f4", chunks=(10**8,), maxshape=(None,)
    ),
    "cannot be read: Invalid UTF8": lambda f: f["images/status"].__setitem__(0, b"\xff"),
    "column 'pixel_score' has -inf in row 0": lambda f: f["images/pixel_score"].__setitem__(
        0, -np.inf
    ),
    "'images/score' is a link, which is not followed": lambda f: (
        f.__delitem__("images/score"),
        f["images"].__setitem__("score", h5py.SoftLink("/images/image_score")),
    ),
}


@pytest.mark.parametrize("text", TAMPERINGS)
def test_contradictory_image_tables_are_refused(h5, text):
    with h5py.File(h5, "a") as file:
        TAMPERINGS[text](file)
    with pytest.raises(StoreError, match=text):
        _ = ScoreFile(h5).images


def test_impossible_scores_of_classes_and_regions_are_refused(h5):
    with h5py.File(h5, "a") as file:
        file["images/class_score"][0, 0] = 2
        file["images/class_px"][1, 1] = -5
        file["regions/score"][3] = -0.5
    scores = ScoreFile(h5)
    with pytest.raises(StoreError, match=r"column 'class_score' has 2\.0 in row 0"):
        _ = scores.class_score
    with pytest.raises(StoreError, match="column 'class_px' has -5 in row 1"):
        _ = scores.class_px
    with pytest.raises(StoreError, match=r"column 'score' has -0\.5 in row 3"):
        _ = scores.regions


def test_numbers_beside_an_image_that_was_not_scored_do_not_matter(h5):
    with h5py.File(h5, "a") as file:
        file["images/score"][2] = 7
    assert ScoreFile(h5).images["score"].tolist()[2] == 7


@pytest.mark.parametrize("image", [[0, 0, 1, 3], [0, 0, 1, -1], [1, 0, 1, 1]])
def test_regions_of_unknown_images_are_refused(h5, image):
    with h5py.File(h5, "a") as file:
        file["regions/image"][:] = image
    scores = ScoreFile(h5)
    with pytest.raises(StoreError, match="names unknown images or is not sorted"):
        _ = scores.regions


def test_empty_data_set_can_be_written_and_read(tmp_path):
    for out in OUTS:
        with open_writer(tmp_path / out, overwrite=True) as writer:
            assert writer.finish() == 0
        scores = ScoreFile(tmp_path / out)
        assert len(scores.images) == len(scores.regions) == 0
        assert scores.class_px.shape == (0, 2)


def test_score_map_spells_out_the_cells_of_a_crop(h5):
    with h5py.File(h5, "a") as file:
        file["pixel_scores/2x2"][0] = [[0, 51], [102, 255]]
        file["pixel_weights/2x2"].attrs["scale"] = 3.0
    scores = ScoreFile(h5)
    assert scores.score_map("b/1").shape == (3, 4)
    found = scores.score_map("b/1", crop=(1, 1, 2, 3), hflip=True)
    np.testing.assert_allclose(found, [[0.2, 0.2, 0], [1, 1, 0.4]], atol=1e-7)
    np.testing.assert_allclose(scores.weight_map("b/1", crop=(0, 0, 1, 1)), [[0.8 * 3]], rtol=1e-6)
    np.testing.assert_allclose(scores.pixel_weights("b/1"), np.full((2, 2), 0.8 * 3), rtol=1e-6)
    smaller = scores.score_map("b/1", size=(1, 2), resize="bilinear")
    np.testing.assert_allclose(smaller, [[1 / 3 * 0.4, 0.2 + 1 / 3 * 0.8]], atol=1e-6)
    with pytest.raises(StoreError, match="no image 'd'"):
        scores.score_map("d")


def test_tables_come_as_arrow_without_python_objects(scores):
    table = scores.images_arrow()
    assert table.column_names == list(IMAGE_COLUMNS)
    assert table["id"].type == pa.large_string()
    assert table["class_px"].to_pylist() == [[12, 0], [12, 0], [0, 0]]
    pd.testing.assert_frame_equal(
        scores.images, table.drop_columns(["class_px", "class_score"]).to_pandas()
    )
    pd.testing.assert_frame_equal(scores.regions, scores.regions_arrow().to_pandas())


def test_only_the_columns_that_are_asked_for_are_read(scores, monkeypatch):
    _ = scores.images_arrow(["id", "status"])
    read = []
    part = scores.parts[0]
    whole = part.read
    monkeypatch.setattr(part, "read", lambda *key: read.append(key) or whole(*key))
    table = scores.images_arrow(["score", "id", "status"])
    assert table.column_names == ["score", "id", "status"]
    assert read == [("images", "score")]
    with pytest.raises(UsageError, match="no column 'colour': name some of id, image_path"):
        scores.images_arrow(["colour"])


def test_shard_may_be_a_link_to_another_disk(tmp_path):
    write_scores(tmp_path / "elsewhere.h5", [scored_image("a", 0.2)])
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "one.h5").symlink_to(tmp_path / "elsewhere.h5")
    assert_near(ScoreFile(tmp_path / "w").images["score"], [0.2])
    (tmp_path / "w" / "two.h5").symlink_to(tmp_path / "gone.h5")
    with pytest.raises(StoreError, match=r"two\.h5 does not exist"):
        ScoreFile(tmp_path / "w")


def test_parts_with_different_numbers_of_classes_are_refused(tmp_path):
    write_scores(tmp_path / "w" / "a.h5", [scored_image("a")])
    with h5py.File(write_scores(tmp_path / "w" / "b.h5", [scored_image("b")]), "a") as file:
        replace(file, "images/class_px", data=np.zeros((1, 3), np.int64))
    with pytest.raises(StoreError, match="cannot be read"):
        _ = ScoreFile(tmp_path / "w").class_px


def rewrite(path, change):
    """Write a Parquet table again with other columns."""
    table = pq.read_table(path)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.drop_columns("score"), "column 'score' is missing"),
        (lambda t: t.set_column(0, "id", pa.array([1, 2, 3])), "column 'id' is int64, not text"),
        (
            lambda t: t.set_column(3, "height", pa.array([1, None, 2], pa.int32())),
            "column 'height' lacks 1 values",
        ),
        (
            lambda t: t.set_column(11, "score", pa.array([0.1, None, 0.2], pa.float32())),
            "column 'score' has nan in row 1",
        ),
        (
            lambda t: t.set_column(0, "id", pa.array([b"a", b"b", b"\xff"]).view(pa.string())),
            "Invalid UTF8 sequence",
        ),
        (lambda t: t.set_column(0, "id", pa.array(["a", "b", "b"])), "an image id occurs twice"),
        (lambda t: t.set_column(0, "id", pa.array(["a", "b", "a//c"])), "has an empty, '.' or"),
    ],
)
def test_contradictory_parquet_tables_are_refused(h5, change, text):
    path = h5.with_name("w.images.parquet")
    assert pq.read_table(path).column_names[11] == "score"
    rewrite(path, change)
    with pytest.raises(StoreError, match=text):
        _ = ScoreFile(path).images


def test_parquet_table_that_would_fill_memory_is_refused(h5):
    path = h5.with_name("w.images.parquet")
    rows = 200_000

    def inflate(table):
        one = table.take(np.zeros(rows, np.int64))
        ids = pa.array([f"{row:06d}" for row in range(rows)])
        bomb = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["x" * 100_000])
        return one.set_column(0, "id", ids).set_column(7, "message", bomb)

    rewrite(path, inflate)
    assert path.stat().st_size < 10_000_000
    with pytest.raises(StoreError, match="claims 20,000,000,000 bytes of tables"):
        _ = ScoreFile(path).images


def test_maps_in_another_compression_need_no_plugin(tmp_path):
    pytest.importorskip("hdf5plugin")
    packed = pack(np.full((2, 2), 102, np.uint8), "zstd")
    image = replaced(scored_image("a", 0.4), pixel_scores=packed)
    write_scores(tmp_path / "w.h5", [image, scored_image("b", 0.2)])
    # in a process of its own: a filter that was registered once stays
    code = """
        import sys
        from pathlib import Path
        sys.modules["hdf5plugin"] = None
        from curate.scores.score_file import ScoreFile
        scores = ScoreFile(Path(sys.argv[1]))
        print(scores.pixel_scores("a").tolist(), scores.pixel_scores("b").tolist())
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "w.h5")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {"HDF5_PLUGIN_PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
    assert told == "[[102, 102], [102, 102]] [[51, 51], [51, 51]]\n"


@pytest.fixture
def labelled(tmp_path):
    """Scores of an image of 8x8 pixels in blocks of 4x4; ids 7 and 8 are the classes a and b."""
    id_map = IdMap("toy", {7: 0, 8: 1}, frozenset({0}))
    provenance = PROVENANCE | {"id_map": id_map.to_json(), "method": "streams"}
    (tmp_path / "labels").mkdir()
    ids = np.array([[7, 8], [0, 8]], np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    Image.fromarray(ids).save(tmp_path / "labels/a.png")
    images = [scored_image("a", size=(8, 8))]
    return ScoreFile(write_scores(tmp_path / "w.h5", images, provenance=provenance))


def test_labels_come_as_class_indices_in_the_pixels_of_a_trainer(labelled):
    whole = labelled.label_map("a")
    assert (whole.dtype, whole.shape) == (np.uint8, (8, 8))
    assert whole[::4, ::4].tolist() == [[0, 1], [255, 1]]
    found = labelled.label_map("a", crop=(3, 2, 2, 3), hflip=True)
    assert found.tolist() == [[1, 0, 0], [1, 255, 255]]
    assert labelled.label_map("a", size=(2, 2)).tolist() == [[0, 1], [255, 1]]
    how = {"crop": (0, 1, 2, 3), "size": (5, 7), "hflip": True}
    assert labelled.label_map("a", **how).shape == labelled.weight_map("a", **how).shape
    assert labelled.class_names == ("a", "b")


def test_labels_of_a_moved_data_set_are_found_where_it_is(labelled, tmp_path):
    (tmp_path / "moved").mkdir()
    (tmp_path / "labels").rename(tmp_path / "moved/labels")
    with pytest.raises(DataError, match=r"labels/a\.png"):
        labelled.label_map("a")
    assert labelled.label_map("a", root=tmp_path / "moved").shape == (8, 8)


def test_labels_that_changed_or_lead_elsewhere_are_refused(labelled, tmp_path):
    Image.fromarray(np.full((9, 8), 7, np.uint8)).save(tmp_path / "labels/a.png")
    with pytest.raises(DataError, match="has 9x8 pixels, but had 8x8 when it was scored"):
        labelled.label_map("a")
    with pytest.raises(StoreError, match="leads out of the data set"):
        read_label_map(tmp_path, "../x.png", (3, 4), {}, where="w.h5")
    with pytest.raises(StoreError, match="no image 'd'"):
        labelled.label_map("d")


def test_a_score_file_says_what_it_is(labelled, tmp_path):
    assert len(labelled) == 1
    assert repr(labelled) == (
        f"<ScoreFile {tmp_path / 'w.h5'}: 1 images of {tmp_path.name}, 2 classes, streams>"
    )


@pytest.mark.parametrize("order", [["a", "b", "c", "d"], ["d", "a", "c", "b"]])
def test_blocks_are_the_columns_cut_into_pieces(tmp_path, monkeypatch, order):
    monkeypatch.setattr("curate.scores.h5_read.BLOCK_ROWS", 3)
    monkeypatch.setattr("curate.scores.tables._MANY_ROWS", 0)
    (tmp_path / "w").mkdir()
    for number in (0, 2):
        images = [scored_image(each, 0.1 * n) for n, each in enumerate(order[number : number + 2])]
        part = write_scores(tmp_path / "w.h5", images, overwrite=True)
        part.rename(tmp_path / "w" / f"part-0000{number}.h5")
    with ScoreFile(tmp_path / "w") as scores:
        for table, names in (("images", ["score", "id"]), ("regions", ["image", "score"])):
            found = list(scores.tables.blocks(table, names))
            assert [first for first, _ in found] == sorted({first for first, _ in found})
            whole = scores.images_arrow(names) if table == "images" else scores.regions_arrow(names)
            for name in names:
                values = [v for _, block in found for v in np.asarray(block[name]).tolist()]
                assert values == whole[name].to_pylist()


def test_blocks_are_checked_as_columns_are(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.scores.h5_read.BLOCK_ROWS", 3)
    out = write_scores(tmp_path / "w.h5", [scored_image(f"i{n}") for n in range(3)])
    with h5py.File(out, "a") as file:
        file["regions/image"][4] = 0
        file["images/score"][2] = 1.5
    with ScoreFile(out) as scores:
        with pytest.raises(StoreError, match="names unknown images or is not sorted"):
            list(scores.tables.blocks("regions", ("image",)))
        with pytest.raises(StoreError, match=r"column 'score' has 1\.5 in row 2"):
            list(scores.tables.blocks("images", ("score",)))
