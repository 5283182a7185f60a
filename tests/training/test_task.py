"""How images are dealt, picked and counted before a training."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from curate.config import Config, DatasetConfig
from curate.errors import ConfigError, DataError
from curate.methods import Split
from curate.training.task import Task, assign_splits, choose_classes, open_task, pick_evenly
from tests.tiny import RecordingReporter

KEYS = tuple(f"r0:{number:02d}" for number in range(40))


def test_picked_items_are_evenly_spaced_from_the_first_to_the_last():
    assert pick_evenly(range(10), 4) == [0, 3, 6, 9]
    assert pick_evenly(range(9), 3) == [0, 4, 8]
    assert pick_evenly(range(4), 4) == [0, 1, 2, 3]
    assert pick_evenly("ab", 4) == ["a", "b"]


@pytest.mark.parametrize(
    ("share", "num_held_out"), [(0.25, 10), (0.1, 4), (0.4, 20), (0.5, 20), (0.33, 14)]
)
def test_about_the_given_share_is_held_out(share, num_held_out):
    splits = assign_splits(KEYS, share, 1, seed=0)
    assert tuple(splits) == KEYS
    # blocks of neighbours, two of them a group: of three groups one may be an image larger
    assert abs(sum(split.held_out for split in splits.values()) - num_held_out) <= 1
    assert {split.fold for split in splits.values()} == {0}


def test_folds_are_dealt_apart_from_what_is_held_out():
    splits = assign_splits(KEYS, 0.25, 4, seed=3)
    folds = [split.fold for split in splits.values()]
    assert [folds.count(fold) for fold in range(4)] == [10] * 4
    # in some deals both blocks that are held out are of one fold; were they dealt alike, in all
    folds_held_out = [
        len({split.fold for split in assign_splits(KEYS, 0.25, 4, seed).values() if split.held_out})
        for seed in range(5)
    ]
    assert max(folds_held_out) == 2
    assert assign_splits(KEYS, 0.25, 4, seed=3) == splits
    assert assign_splits(KEYS, 0.25, 4, seed=4) != splits
    # whole blocks of five neighbours
    assert all(len(set(folds[start : start + 5])) == 1 for start in range(0, 40, 5))


def source_of(key, count):
    return SimpleNamespace(
        pairs=tuple(range(count)), key_of=lambda pair, key=key: f"{key}:{pair:02d}"
    )


def test_held_out_images_of_a_domain_are_listed_pick_evenly():
    real, synthetic = source_of("r0", 6), (source_of("s0", 40), source_of("s1", 3))
    keys = [f"r0:{n:02d}" for n in range(5)] + [f"s0:{n:02d}" for n in range(40)] + ["s1:00"]
    splits = {key: Split(held_out=key not in ("r0:01", "s0:03"), fold=0) for key in keys}
    task = Task(None, (real,), synthetic, frozenset({"r0:05"}), None, splits)
    assert (task.num_real, task.num_synthetic) == (5, 43)
    assert task.held_out_pairs(real=True) == [(real, n) for n in (0, 2, 3, 4)]
    listed = task.held_out_pairs(real=False)
    assert len(listed) == 32
    assert listed[0] == (synthetic[0], 0)
    assert listed[-1] == (synthetic[1], 0)
    assert (synthetic[0], 3) not in listed


def write(root, *label_maps):
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for number, label_map in enumerate(label_maps):
        labels = np.kron(np.array(label_map, np.uint8), np.ones((4, 4), np.uint8))
        images = np.zeros((*labels.shape, 3), np.uint8)
        Image.fromarray(images).save(root / "images" / f"{number}.png")
        Image.fromarray(labels).save(root / "labels" / f"{number}.png")
    return root


def open_sets(root, real, synthetic, size=(32, 64)):
    reporter = RecordingReporter()
    config = Config(
        root=root,
        classes=("ground", "thing", "sky"),
        real=(DatasetConfig(path=write(root / "real", *real)),),
        synthetic=(DatasetConfig(path=write(root / "synthetic", *synthetic)),),
    ).with_fit(size=size, held_out=0.5)
    return open_task(config, num_folds=2, reporter=reporter), reporter.warnings


GROUND, THING = [[0, 0], [0, 0]], [[1, 1], [1, 1]]
QUARTER = [[0, 0], [0, 1]]
IGNORED = [[255, 255], [255, 255]]


def test_pixels_of_classes_are_counted_at_the_training_size(tmp_path):
    task, warnings = open_sets(tmp_path, [QUARTER, GROUND, [[1, 255], [0, 0]]], [GROUND])
    # of 32 x 64 = 2048 pixels an image: 3/4 + 1 + 1/2 are ground, 1/4 + 1/4 things
    assert task.real_class_px.tolist() == [2048 * 9 // 4, 2048 // 2, 0]
    assert warnings[-1].startswith("Only 3 real images: s")


def test_images_that_cannot_be_used_are_in_no_split(tmp_path):
    task, warnings = open_sets(tmp_path, [QUARTER, IGNORED, THING], [GROUND, QUARTER])
    assert task.unusable == {"r0:images/1"}
    assert set(task.splits) == {"r0:images/0", "r0:images/2", "s0:images/0", "s0:images/1"}
    assert task.num_real == 2
    assert warnings[0].startswith(f"Left out of {tmp_path / 'real'}: 1 all_ignored. First: ")
    for prefix in ("r0", "s0"):  # of each domain one of two is held out
        held_out = [s.held_out for key, s in task.splits.items() if key.startswith(prefix)]
        assert sorted(held_out) == [False, True]


@pytest.mark.parametrize(
    ("real", "synthetic", "code"),
    [
        ([QUARTER, IGNORED], [GROUND], "too_few_real"),
        ([GROUND, GROUND], [GROUND], "one_class"),
        ([QUARTER, QUARTER], [IGNORED], "mostly_unfit"),
        ([QUARTER, QUARTER], [[[2, 2], [2, 255]]], "no_shared_class"),
    ],
)
def test_sets_that_nothing_can_be_learned_from_are_refused(tmp_path, real, synthetic, code):
    with pytest.raises(DataError) as caught:
        open_sets(tmp_path, real, synthetic)
    assert caught.value.code == code


def test_listed_files_are_left_out(tmp_path):
    (tmp_path / "fixes.toml").write_text('[[leave_out]]\nfile = "images/1.png"\ncode = "odd"\n')
    reporter = RecordingReporter()
    config = Config(
        root=tmp_path,
        classes=("ground", "thing", "sky"),
        real=(DatasetConfig(path=write(tmp_path / "real", QUARTER, QUARTER, QUARTER)),),
        synthetic=(DatasetConfig(path=write(tmp_path / "synthetic", *[QUARTER] * 4)),),
    ).with_fit(fix_list=tmp_path / "fixes.toml")
    task = open_task(config, num_folds=2, reporter=reporter)
    assert task.unusable == {"r0:images/1", "s0:images/1"}
    assert (task.num_real, task.num_synthetic) == (2, 3)


def test_unlabelled_synthetic_images_are_in_no_split_and_not_counted(tmp_path):
    (tmp_path / "s").mkdir()
    root = write(tmp_path / "synthetic", *[QUARTER] * 12)
    for number in range(6):
        (root / f"labels/{number}.png").unlink()
    config = Config(
        root=tmp_path,
        classes=("ground", "thing", "sky"),
        real=(DatasetConfig(path=write(tmp_path / "real", QUARTER, QUARTER)),),
        synthetic=(DatasetConfig(path=root),),
    )
    for seed in range(4):
        seeded = config.with_fit(seed=seed)
        task = open_task(seeded, num_folds=2, reporter=RecordingReporter())
        assert task.num_synthetic == 6
        assert {key for key in task.splits if key.startswith("s")}.isdisjoint(task.unusable)
        assert task.held_out_pairs(real=False)


def test_layout_without_classes_says_what_to_set():
    config = Config(real=(DatasetConfig(path="real", layout="folder"),))
    with pytest.raises(ConfigError, match=r'as in \["background", "cable"\]'):
        choose_classes(config)


def test_what_ids_are_taken_for_is_shown(tmp_path):
    reporter = RecordingReporter()
    config = Config(
        root=tmp_path,
        classes=("ground", "thing", "sky"),
        real=(DatasetConfig(path=write(tmp_path / "real", QUARTER, QUARTER)),),
        synthetic=(DatasetConfig(path=write(tmp_path / "synthetic", GROUND)),),
    )
    open_task(config, num_folds=2, reporter=reporter)
    (table,) = reporter.notes
    assert "Ids are read as class indices" in table
    assert [line.split() for line in table.splitlines()[1:4]] == [
        ["class", "real", "ids", "synthetic", "ids"],
        ["ground", "75.0", "%", "0", "100.0", "%", "0"],
        ["thing", "25.0", "%", "1", "-", "1"],
    ]
