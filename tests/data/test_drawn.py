import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from curate.config import AugmentConfig
from curate.data import batches, drawn
from curate.data.batches import training_batches
from curate.data.dataset import open_dataset
from curate.data.drawn import DrawnImage, DrawnImages
from curate.data.pairs import LoadedPair
from curate.records import ClassSet
from tests.tiny import CLASSES, write_dataset

SIZE = (3, 2)
PAIR = LoadedPair(
    torch.arange(18, dtype=torch.uint8).view(3, *SIZE), torch.full(SIZE, 255, dtype=torch.uint8)
)


def same(one, other):
    return torch.equal(one.image, other.image) and torch.equal(one.label_map, other.label_map)


def test_what_was_put_is_got_by_another_process(tmp_path):
    first = DrawnImages(tmp_path / "a" / "x.drawn", SIZE, "seed 0")
    first.put(2, b"one", DrawnImage(PAIR, (480, 640)))
    found = pickle.loads(pickle.dumps(first)).get(2, b"one")
    assert same(found.changed, PAIR)
    assert found.shape == (480, 640)
    assert first.get(1, b"one") is None
    assert first.get(7, b"one") is None


def test_what_is_there_stays(tmp_path):
    kept = DrawnImages(tmp_path / "x.drawn", SIZE, "")
    kept.put(0, b"one", DrawnImage(PAIR, (1, 1)))
    kept.put(0, b"two", DrawnImage(LoadedPair(255 - PAIR.image, PAIR.label_map), (1, 1)))
    assert same(kept.get(0, b"one").changed, PAIR)
    assert kept.get(0, b"two") is None


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_row_is_not_taken(tmp_path, damage):
    path = tmp_path / "x.drawn"
    kept = DrawnImages(path, SIZE, "")
    kept.put(0, b"one", DrawnImage(PAIR, (1, 1)))
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-3] ^= 1
    path.write_bytes(data if damage == "flip" else data[:-3])
    assert DrawnImages(path, SIZE, "").get(0, b"one") is None


def test_positions_beyond_the_largest_size_are_not_kept(tmp_path):
    path = tmp_path / "x.drawn"
    row = 4 * 3 * 2 + drawn._ROW.itemsize
    kept = DrawnImages(path, SIZE, "", max_bytes=2 * row + row // 2)
    for position in range(4):
        kept.put(position, b"one", DrawnImage(PAIR, (1, 1)))
    assert path.stat().st_size == 2 * row
    assert kept.get(2, b"one") is None


def test_a_full_disk_is_gone_on_without(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    kept = DrawnImages(tmp_path / "x.drawn", SIZE, "")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", full)
        kept.put(0, b"one", DrawnImage(PAIR, (1, 1)))
    kept.put(0, b"one", DrawnImage(PAIR, (1, 1)))  # it is not tried again
    assert kept.get(0, b"one") is None


@pytest.fixture
def sources(tmp_path):
    classes = ClassSet("tiny", CLASSES)
    return [
        (open_dataset(write_dataset(tmp_path / name, 5, is_flat=False, seed=seed),
                      classes=classes, key=key),)
        for name, seed, key in (("real", 1, "r0"), ("synthetic", 2, "s0"))
    ]  # fmt: skip


def draw(sources, **options):
    chosen = {
        "size": (24, 32), "batch_size": 4, "seed": 3, "first_step": 0, "num_steps": 3,
        "augment": AugmentConfig(), "workers": 0, "pin_memory": False,
    }  # fmt: skip
    return list(training_batches(*sources, **chosen | options))


def assert_equal(ones, others):
    for one, other in zip(ones, others, strict=True):
        assert one.keys == other.keys
        for name in ("images", "label_map"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        assert (one.uncropped is None) == (other.uncropped is None)
        for a, b in zip(one.uncropped or (), other.uncropped or (), strict=True):
            assert torch.equal(a, b)


def count_reads(monkeypatch):
    reads = []
    read = batches.pairs.read_pair
    monkeypatch.setattr(
        batches.pairs, "read_pair", lambda *a: reads.append(a[0].key_of(a[1])) or read(*a)
    )
    return reads


def test_trainings_draw_the_same_images_and_make_them_once(sources, tmp_path, monkeypatch):
    plain, uncropped = draw(sources), draw(sources, with_uncropped=True)
    reads = count_reads(monkeypatch)
    assert_equal(draw(sources, shared=tmp_path / "shared"), plain)
    assert len(reads) == 3 * 4
    assert_equal(draw(sources, shared=tmp_path / "shared"), plain)
    assert len(reads) == 3 * 4  # nothing more
    reads.clear()
    whole = draw(sources, shared=tmp_path / "shared", with_uncropped=True, keep_bytes=10**6)
    assert_equal(whole, uncropped)
    assert reads
    assert all(key.startswith("s") for key in reads)  # uncropped, each image once
    assert len(set(reads)) == len(reads)


def test_real_images_are_shared_with_trainings_without_synthetic_ones(
    sources, tmp_path, monkeypatch
):
    draw(sources, shared=tmp_path)
    reads = count_reads(monkeypatch)
    draw((sources[0], ()), shared=tmp_path, batch_size=2)
    assert reads == []


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"augment": AugmentConfig(colour=0)}, {"size": (32, 32)}]
)
def test_what_is_drawn_otherwise_is_made_anew(sources, tmp_path, change):
    draw(sources, shared=tmp_path)
    assert_equal(draw(sources, shared=tmp_path, **change), draw(sources, **change))


def test_changed_files_are_read_anew(sources, tmp_path):
    draw(sources, shared=tmp_path / "shared")
    for path in (tmp_path / "synthetic/labels").iterdir():
        other = np.full((40, 56), 1, np.uint8)
        Image.fromarray(other).save(path)
    assert_equal(draw(sources, shared=tmp_path / "shared"), draw(sources))
