"""One score file read by several processes, as data loaders do."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from curate.scores.score_file import ScoreFile
from tests.scores.making import scored_image, write_scores

NUM_IMAGES = 12
OUTS = ["w.h5", "w"]

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class Maps(Dataset):
    """Pixel scores of every image, by its row."""

    def __init__(self, scores):
        self.scores = scores
        self.ids = scores.images["id"].tolist()

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, row):
        return self.scores.score_map(self.ids[row], crop=(0, 0, 3, 4), hflip=True)


@pytest.fixture(params=OUTS)
def scores(request, tmp_path):
    images = [scored_image(f"i{n:02d}", n / NUM_IMAGES) for n in range(NUM_IMAGES)]
    options = {} if "." in request.param else {"shard_bytes": 85_000}
    out = write_scores(tmp_path / request.param, images, **options)
    assert request.param == "w.h5" or len(list(out.glob("*.h5"))) > 2
    return ScoreFile(out)


def expected():
    values = [round(n / NUM_IMAGES * 255) / 255 for n in range(NUM_IMAGES)]
    return [np.full((3, 4), value, np.float32) for value in values]


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_what_the_parent_has_opened_and_read(scores, method):
    data = Maps(scores)
    np.testing.assert_array_equal(data[0], expected()[0])  # the parent's own handle is open now
    loader = DataLoader(
        data, batch_size=None, num_workers=2, persistent_workers=True,
        multiprocessing_context=method,
    )  # fmt: skip
    for _ in range(2):
        maps = [batch.numpy() for batch in loader]
        np.testing.assert_array_equal(maps, expected())
    np.testing.assert_array_equal(data[1], expected()[1])  # and it still works


def read_in_child(scores, row, results):
    results.put(scores.score_map(f"i{row:02d}"))


def test_forked_children_read_side_by_side(scores):
    context = multiprocessing.get_context("fork")
    scores.pixel_scores("i00")
    results = context.Queue()
    children = [context.Process(target=read_in_child, args=(scores, 3, results)) for _ in range(3)]
    for child in children:
        child.start()
    found = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    np.testing.assert_array_equal(found, [expected()[3]] * 3)


def test_opening_reads_no_table(scores, monkeypatch):
    def fail(*_):
        raise AssertionError

    monkeypatch.setattr("curate.scores.h5_read.H5Part.read", fail)
    again = pickle.loads(pickle.dumps(ScoreFile(scores.path)))
    assert again.provenance == scores.provenance
    with pytest.raises(AssertionError):
        _ = again.images


@pytest.mark.slow
def test_many_score_files_are_open_at_once(tmp_path):
    files = [
        ScoreFile(write_scores(tmp_path / f"{n}.h5", [scored_image("a", n / 50)]))
        for n in range(50)
    ]
    values = [file.pixel_scores("a")[0, 0] for file in files]
    assert values == [round(n / 50 * 255) for n in range(50)]
