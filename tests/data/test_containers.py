from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from curate.data.classes import resolve_classes
from curate.data.containers import read_ids, read_image
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.errors import DataError, LabelError
from tests.data.making import full


def write(path, data):
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[name] = values
    return path


IMAGE = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
IDS = np.arange(8 * 9).reshape(8, 9) % 3


def test_image_and_ids_come_out_as_they_were_written(tmp_path):
    path = write(
        tmp_path / "0.hdf5", {"colors": IMAGE, "category_id_segmaps": IDS, "depth": full(1.0)}
    )
    assert np.array_equal(read_image(path), IMAGE)
    assert np.array_equal(read_ids(path), IDS)


def test_left_image_of_a_stereo_pair_is_read(tmp_path):
    pair = np.stack([IMAGE, IMAGE[:, ::-1]])
    path = write(tmp_path / "0.hdf5", {"colors": pair, "class_segmaps": np.stack([IDS, IDS * 0])})
    assert np.array_equal(read_image(path), IMAGE)
    assert np.array_equal(read_ids(path), IDS)


def test_data_set_is_read_like_any_other(tmp_path):
    write(tmp_path / "0.hdf5", {"colors": full((1, 2, 3)), "category_id_segmaps": full(3)})
    source = open_dataset(tmp_path, classes=resolve_classes("camvid11"))
    assert (source.layout, source.pairs[0].id) == ("blenderproc", "0")
    assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [3]


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ({"segmap": IDS}, "unreadable_image", "no data set 'colors', only segmap"),
        ({b"color\xff": IMAGE}, "unreadable_image", r"only b'color\\xff'"),
        ({"colors": IMAGE / 2}, "unreadable_image", "uint8"),
        ({"colors": IMAGE[..., 0]}, "unreadable_image", "has shape"),
        ({"colors": IMAGE[:2]}, "too_small", "2x9"),
    ],
)
def test_image_that_is_not_as_it_should_be(tmp_path, data, code, message):
    with pytest.raises(DataError, match=message) as caught:
        read_image(write(tmp_path / "0.hdf5", data))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"colors": IMAGE}, "no data set 'category_id_segmaps' or"),
        ({"segmap": IDS - 1}, "not integers of 0"),
        ({"segmap": IDS / 2}, "not integers of 0"),
    ],
)
def test_labels_that_are_not_as_they_should_be(tmp_path, data, message):
    with pytest.raises(LabelError, match=message) as caught:
        read_ids(write(tmp_path / "0.hdf5", data))
    assert caught.value.code == "unreadable_label"


def test_damaged_and_missing_files_are_reported(tmp_path):
    path = write(tmp_path / "0.hdf5", {"colors": IMAGE})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match="no sound HDF5 file") as caught:
        read_image(path)
    assert caught.value.code == "unreadable_image"
    with pytest.raises(DataError, match="does not exist") as caught:
        read_image(tmp_path / "1.hdf5")
    assert caught.value.code == "missing_image"


def test_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "0.hdf5")
    with pytest.raises(DataError, match="no ordinary file"):
        read_image(tmp_path / "0.hdf5")
