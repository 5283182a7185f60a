import numpy as np
import pytest
from PIL import Image

from curate.errors import DataError
from curate.training.evaluation import evaluate
from tests.tiny import write_dataset


def test_evaluation_counts_every_labelled_pixel(finished_run, tmp_path):
    _, run = finished_run
    root = write_dataset(tmp_path / "test", 3, is_flat=False, seed=8)
    label_map = np.asarray(Image.open(root / "labels/000.png")).copy()
    label_map[:10] = 255
    Image.fromarray(label_map).save(root / "labels/000.png")
    measured = evaluate(run, root, trust_run=True)
    assert measured.confusion.sum() == 3 * 40 * 56 - 10 * 56
    assert (measured.images, measured.failed) == (3, 0)
    assert 0 <= measured.miou() <= 1


def test_unreadable_images_are_counted_and_left_out(finished_run, tmp_path):
    _, run = finished_run
    root = write_dataset(tmp_path / "test", 3, is_flat=False, seed=8)
    (root / "images/001.png").write_bytes(b"")
    measured = evaluate(run, root, trust_run=True)
    assert (measured.images, measured.failed) == (2, 1)
    assert measured.confusion.sum() == 2 * 40 * 56


def test_a_data_set_that_cannot_be_read_is_an_error(finished_run, tmp_path):
    _, run = finished_run
    root = write_dataset(tmp_path / "test", 2, is_flat=False, seed=8)
    for path in (root / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of the 2 images"):
        evaluate(run, root, trust_run=True)
