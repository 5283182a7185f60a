"""The format's table, from both sides: what plain libraries read, and files made by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import StoreError
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from tests.scores.making import (
    PROVENANCE,
    assert_near,
    failed_image,
    open_writer,
    scored_image,
    write_scores,
)

IMAGES = [
    scored_image("b/2", 0.2),
    failed_image("c"),
    scored_image("b/1", 0.8),
    scored_image("a", 0.4, size=(5, 2)),
]
STRINGS = {
    "id": 3,
    "image_path": 14,
    "label_path": 14,
    "status": 16,
    "message": len("cannot be \N{REPLACEMENT CHARACTER} read".encode()),
    "map_size": 3,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A score file, never changed."""
    return write_scores(tmp_path_factory.mktemp("format") / "w.h5", IMAGES)


@pytest.fixture
def h5(tmp_path, written):
    """A copy to damage."""
    return Path(shutil.copytree(written.parent, tmp_path, dirs_exist_ok=True)) / "w.h5"


def test_plain_h5py_reads_the_attributes(written):
    with h5py.File(written) as file:
        assert file.attrs["format"].decode() == "curate-scores"
        assert file.attrs["format_version"] == 2
        assert file.attrs["dataset_root"].decode() == str(written.parent)
        assert json.loads(file.attrs["provenance"]) == PROVENANCE
        assert file.attrs.get_id("provenance").dtype.kind == "S"


def test_plain_h5py_reads_the_tables(written):
    with h5py.File(written) as file:
        images, regions = file["images"], file["regions"]
        assert images["id"].asstr()[:].tolist() == ["a", "b/1", "b/2", "c"]
        assert images["map_size"].asstr()[:].tolist() == ["3x1", "2x2", "2x2", ""]
        assert images["map_row"][:].tolist() == [0, 0, 1, -1]
        assert images["orientation"][:].tolist() == [1, 1, 1, 1]
        assert np.isnan(images["score"][3])
        assert np.isnan(images["weight"][3])
        assert {name: images[name].dtype.itemsize for name in STRINGS} == STRINGS
        kinds = {name: str(node.dtype) for name, node in images.items() if name not in STRINGS}
        assert kinds == {
            **dict.fromkeys(("height", "width", "orientation", "map_row"), "int32"),
            **dict.fromkeys(("valid_px", "class_px"), "int64"),
            **{
                f"{level}{what}": "float32"
                for level in ("", "image_", "region_", "pixel_")
                for what in ("score", "weight")
            },
            "class_score": "float32",
        }
        assert images["class_px"].shape == (4, 2)
        assert list(map(tuple, regions["id"].asstr()[:].reshape(-1, 2))) == [
            ("a", "a"),
            ("b/1", "b/1"),
            ("b/2", "b/2"),
        ]
        assert regions["class_name"].asstr()[:].tolist() == ["a", "b"] * 3
        assert regions["image"][:].tolist() == [0, 0, 1, 1, 2, 2]
        assert_near(regions["score"][:], [0.4, 0.6, 0.8, 0.2, 0.2, 0.8])
        assert set(regions) == {
            *("image", "id", "region", "class_id", "class_name", "area_px", "valid_px"),
            *("top", "left", "bottom", "right", "score", "weight"),
        }


def test_plain_h5py_reads_the_maps(written):
    with h5py.File(written) as file:
        assert sorted(file["pixel_scores"]) == ["2x2", "3x1"]
        node = file["pixel_scores/2x2"]
        assert (node.shape, node.dtype, node.chunks) == ((2, 2, 2), np.uint8, (1, 2, 2))
        assert node.compression == "gzip"
        assert dict(node.attrs) == {"stride": 2, "scale": 1 / 255}
        assert node[0].tolist() == [[204, 204]] * 2
        ids = file["region_ids/2x2"]
        assert (ids.dtype, dict(ids.attrs)) == (np.uint16, {"stride": 2})
        assert ids[1].tolist() == [[0, 1]] * 2
        weights = file["pixel_weights/3x1"]
        # 12, 12 and 10 pixels of scores .8, .2 and .4, whose weights are twice as much
        mean = 2 * (12 * 0.8 + 12 * 0.2 + 10 * 0.4) / 34
        assert weights.attrs["scale"] == pytest.approx(2 / mean, rel=1e-5)
        expected = [0.8 / mean, 1.6 / mean, 0.4 / mean, np.nan]
        np.testing.assert_allclose(file["images/weight"][:], expected, rtol=1e-5)


@pytest.mark.parametrize("level", ["", "image_", "region_", "pixel_"])
def test_weights_have_mean_1_over_the_valid_pixels_of_the_data_set(written, level):
    images = ScoreFile(written).images.dropna()
    mean = (images[f"{level}weight"] * images["valid_px"]).sum() / images["valid_px"].sum()
    assert mean == pytest.approx(1, abs=1e-6)


def test_weights_of_regions_are_those_of_their_image(written):
    scores = ScoreFile(written)
    ratio = scores.images["weight"][0] / scores.images["score"][0]
    expected = scores.regions["score"] * ratio
    np.testing.assert_allclose(scores.regions["weight"], expected, rtol=1e-5)


@pytest.mark.slow
def test_weights_of_resumed_and_merged_files_are_the_same_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    images = [scored_image(f"{n:02}", float(rng.random())) for n in range(40)]
    whole = write_scores(tmp_path / "whole.h5", images)
    parts = [
        write_scores(tmp_path / f"{n}.h5", images[n::3], dataset_root=tmp_path) for n in range(3)
    ]
    merge(parts, tmp_path / "merged.h5", root=tmp_path)
    for start in range(0, 40, 8):
        with open_writer(tmp_path / "resumed.h5", resume=True) as writer:
            writer.append(images[start : start + 8])
            writer.finish()
    expected = ScoreFile(whole)
    for name in ("merged.h5", "resumed.h5"):
        found = ScoreFile(tmp_path / name)
        assert found.header == expected.header
        assert found.images.equals(expected.images)
        assert found.regions.equals(expected.regions)
        for image_id in ("00", "39"):
            assert (found.weight_map(image_id) == expected.weight_map(image_id)).all()


def test_not_scored_is_null_in_parquet(written):
    images = pq.read_table(written.with_name("w.images.parquet"))
    for name in ("score", "pixel_weight", "map_size", "map_row"):
        assert images[name].is_null().to_pylist() == [False, False, False, True], name
    assert_near(images["score"].to_pylist()[:3], [0.4, 0.8, 0.2])
    assert [row[1] for row in images["class_score"].to_pylist()] == [None] * 4
    assert images["class_score"].type == pa.list_(pa.float32(), 2)
    assert not any(images[name].null_count for name in ("id", "status", "height", "class_px"))


def test_parquet_names_the_classes_and_where_it_comes_from(written):
    for name in ("images", "regions"):
        schema = pq.read_schema(written.with_name(f"w.{name}.parquet"))
        assert json.loads(schema.metadata[b"provenance"]) == PROVENANCE
        assert schema.metadata[b"format_version"] == b"2"
    schema = pq.read_schema(written.with_name("w.images.parquet"))
    for name in ("class_px", "class_score"):
        assert json.loads(schema.field(name).metadata[b"class_names"]) == ["a", "b"]


BY_HAND = PROVENANCE | {"levels": ["image", "pixel"]}


def make_by_hand(path):
    """Write a file of one image of 4x6 pixels as the table says, with h5py alone."""
    with h5py.File(path, "w") as file:
        for name, text in (("format", "curate-scores"), ("provenance", json.dumps(BY_HAND))):
            kind = h5py.string_dtype("utf-8", len(text))
            file.attrs.create(name, text.encode(), dtype=kind)
        file.attrs["format_version"] = 2
        texts = {"id": "ä", "image_path": "ä.png", "label_path": "", "status": "ok"}
        texts |= {"message": "", "map_size": "2x3"}
        for name, text in texts.items():
            kind = h5py.string_dtype("utf-8", max(1, len(text.encode())))
            file.create_dataset(f"images/{name}", data=np.array([text.encode()], kind))
        numbers = {"height": 4, "width": 6, "orientation": 1, "map_row": 0}
        for name, number in numbers.items():
            file[f"images/{name}"] = np.array([number], np.int32)
        file["images/valid_px"] = np.array([24])
        file["images/class_px"] = np.array([[20, 4]])
        for level in ("", "image_", "region_", "pixel_"):
            file[f"images/{level}score"] = np.array([0.5], np.float32)
            file[f"images/{level}weight"] = np.array([1], np.float32)
        file["images/class_score"] = np.array([[0.5, np.nan]], np.float32)
        cells = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
        for group, scale in (("pixel_scores", 1 / 255), ("pixel_weights", 2.0)):
            node = file.create_dataset(f"{group}/2x3", data=cells, chunks=(1, 2, 3))
            node.attrs.update({"stride": 2, "scale": scale})
        file.create_dataset("region_ids/2x3", data=cells.astype(np.uint16)).attrs["stride"] = 2


def test_file_made_by_hand_is_read(tmp_path):
    make_by_hand(tmp_path / "w.h5")
    scores = ScoreFile(tmp_path / "w.h5")
    assert scores.images["id"].tolist() == ["ä"]
    assert scores.pixel_scores("ä").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert scores.region_ids("ä").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert_near(scores.score_map("ä", crop=(2, 4, 1, 2)), [[5 / 255, 5 / 255]])
    assert_near(scores.weight_map("ä", crop=(2, 4, 1, 1)), [[10 / 255]])
    assert len(scores.regions) == 0


def replace(file, path, **options):
    """Replace a data set of maps by another one."""
    attributes = dict(file[path].attrs)
    del file[path]
    file.create_dataset(path, **options).attrs.update(attributes)


def set_value(path, row, value):
    return lambda file: file[path].__setitem__(row, value)


def set_attribute(path, name, value):
    return lambda file: file[path].attrs.__setitem__(name, value)


MAP = "pixel_scores/2x2"
DAMAGES = [
    (set_value("images/map_row", 1, 2), "row 2 of the maps of 2x2 .*there are 2"),
    (set_value("images/map_row", 1, -1), "no pixel_scores of image 'b/1'"),
    (set_value("images/map_size", 1, b"3x1"), "3x1 at stride 2 do not fit image 'b/1' of 3x4"),
    (set_value("images/map_size", 1, b"9x9"), "holds no pixel_scores of 9x9"),
    (set_value("images/map_size", 1, b"../"), "holds no pixel_scores of ../"),
    (set_value("images/height", 1, 5), "2x2 at stride 2 do not fit image 'b/1' of 5x4"),
    (set_attribute(MAP, "stride", 0), f"'{MAP}' has stride 0"),
    (set_attribute(MAP, "stride", "2"), f"'{MAP}' has stride None"),
    (set_attribute(MAP, "stride", [2, 2]), f"'{MAP}' has stride None"),
    (lambda f: f[MAP].attrs.__delitem__("stride"), f"'{MAP}' has stride None"),
    (lambda f: replace(f, MAP, data=np.zeros((2, 2, 2))), "is float64 of shape .*not uint8"),
    (lambda f: replace(f, MAP, data=np.zeros((2, 2), np.uint8)), r"of shape \(2, 2\), not uint8"),
    (lambda f: replace(f, MAP, data=np.zeros((2, 2, 3), np.uint8)), r"of shape \(2, 2, 3\), not"),
    (lambda f: replace(f, MAP, data=np.zeros((5, 2, 2), np.uint8)), "5 maps, more than there are"),
    (lambda f: f.__delitem__(MAP), "holds no pixel_scores of 2x2"),
    (lambda f: f.__delitem__("pixel_scores"), "holds no pixel_scores of 2x2"),
    (
        lambda f: replace(
            f, MAP, shape=(2, 2, 2), dtype="u1", chunks=(1, 2, 2), compression="gzip"
        ),
        "cannot be read",
    ),
    (lambda f: f[MAP].id.write_direct_chunk((0, 0, 0), b"no map at all"), "cannot be read"),
    (
        lambda f: f[MAP].id.write_direct_chunk((0, 0, 0), b"\xcc\xcc\xcc\xcc", filter_mask=1),
        "map 0 of 2x2 is not packed",
    ),
]


@pytest.mark.parametrize(("damage", "text"), DAMAGES)
def test_map_that_is_not_what_it_should_be_is_refused(h5, damage, text):
    with h5py.File(h5, "a") as file:
        damage(file)
    with pytest.raises(StoreError, match=text):
        ScoreFile(h5).pixel_scores("b/1")


def test_huge_map_is_refused_before_it_takes_memory(h5):
    side = 1 << 20
    with h5py.File(h5, "a") as file:
        file["images/height"][1] = file["images/width"][1] = 2 * side
        replace(file, "images/map_size", data=np.array([b"1048576x1048576"] * 4, "S15").view(TEXT))
        options = {"dtype": "u1", "chunks": (1, 1024, 1024), "compression": "gzip"}
        node = file.create_dataset(f"pixel_scores/{side}x{side}", (2, side, side), **options)
        node.attrs["stride"] = 2
    with pytest.raises(StoreError, match="claims 2199023255552 bytes, which the file cannot hold"):
        ScoreFile(h5).pixel_scores("b/1")


TEXT = h5py.string_dtype("utf-8", 15)


@pytest.mark.parametrize("scale", [-1.0, np.inf, np.nan, "2"])
def test_impossible_scale_of_weights_is_refused(h5, scale):
    with h5py.File(h5, "a") as file:
        file["pixel_weights/2x2"].attrs["scale"] = scale
    with pytest.raises(StoreError, match="weights of scale"):
        ScoreFile(h5).weight_map("b/1")


def test_maps_that_lie_elsewhere_are_not_followed(tmp_path, h5):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((2, 2, 2), np.uint8)).attrs["stride"] = 2
    (tmp_path / "secret.bin").write_bytes(b"12345678")
    layout = h5py.VirtualLayout((2, 2, 2), np.uint8)
    layout[...] = h5py.VirtualSource(tmp_path / "secret.h5", "x", (2, 2, 2))
    with h5py.File(h5, "a") as file:
        for group in ("pixel_scores", "pixel_weights", "region_ids"):
            del file[group]["2x2"]
        file["pixel_scores"]["2x2"] = h5py.ExternalLink(tmp_path / "secret.h5", "x")
        file["region_ids"]["2x2"] = h5py.SoftLink("/region_ids/3x1")
        node = file["pixel_weights"].create_virtual_dataset("2x2", layout)
        node.attrs.update({"stride": 2, "scale": 1.0})
        del file["pixel_scores"]["3x1"]
        external = [(str(tmp_path / "secret.bin"), 0, 8)]
        node = file.create_dataset("pixel_scores/3x1", (1, 3, 1), np.uint8, external=external)
        node.attrs["stride"] = 2
    scores = ScoreFile(h5)
    for read in (scores.pixel_scores, scores.region_ids):
        with pytest.raises(StoreError, match="is a link, which is not followed"):
            read("b/1")
    with pytest.raises(StoreError, match="points to another file"):
        scores.pixel_weights("b/1")
    with pytest.raises(StoreError, match="points to another file"):
        scores.pixel_scores("a")


def test_second_reading_gives_the_same_as_the_first(written):
    scores = ScoreFile(written)
    for read in (scores.pixel_scores, scores.region_ids, scores.score_map, scores.weight_map):
        first = [read(name) for name in ("a", "b/1", "b/2")]
        second = [read(name) for name in ("b/2", "b/1", "a")][::-1]
        for one, other in zip(first, second, strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
            other[:] = 7  # the caller's own
        assert not (read("b/1") == 7).any()


def test_maps_are_dropped_from_memory_before_they_fill_it(written, monkeypatch):
    monkeypatch.setattr("curate.scores.maps._MAX_CELL_BYTES", 7)
    monkeypatch.setattr("curate.scores.maps._MAX_PLACES", 1)
    scores = ScoreFile(written)
    for _ in range(2):
        assert [scores.pixel_scores(n)[0, 0] for n in ("a", "b/1", "b/2")] == [102, 204, 51]
    assert len(scores._maps._cells) == 1
    assert len(scores._maps._places) == 1
