from __future__ import annotations

import threading

import pytest
import torch

from curate.config import AugmentConfig
from curate.data.batches import evaluation_batches, training_batches
from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.errors import DataError
from tests.data.making import save_folder

CLASSES = resolve_classes("camvid11")


@pytest.fixture
def domains(tmp_path):
    real = save_folder(tmp_path / "real", dict.fromkeys("abcde", 1), colour=(200, 0, 0))
    synthetic = save_folder(tmp_path / "fake", {str(i): 2 for i in range(7)}, colour=(0, 200, 0))
    return (
        [open_dataset(real, layout="folder", classes=CLASSES, key="r0")],
        [open_dataset(synthetic, layout="folder", classes=CLASSES, key="s0")],
    )


def batches(real, synthetic, *, first_step=0, num_steps=6, **options):
    settings = {
        "size": (8, 8), "batch_size": 4, "seed": 3, "augment": AugmentConfig(), "workers": 0,
        "pin_memory": False, "exclude": frozenset(),
    }  # fmt: skip
    return list(
        training_batches(
            real, synthetic, first_step=first_step, num_steps=num_steps, **settings | options
        )
    )


def corrupt(source, *names):
    for name in names:
        (source.root / f"images/{name}.png").write_bytes(b"")


def is_same(one, other):
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.label_map, other.label_map)
        and one.keys == other.keys
    )


def test_first_half_is_real_and_second_synthetic(domains):
    batch = batches(*domains, num_steps=1, augment=AugmentConfig(colour=0))[0]
    assert batch.images.shape == (4, 3, 8, 8)
    assert batch.images.dtype == batch.label_map.dtype == torch.uint8
    assert batch.is_real.tolist() == [True, True, False, False]
    assert [key[:2] for key in batch.keys] == ["r0", "r0", "s0", "s0"]
    assert batch.images[:2, 0].unique().tolist() == [200]
    assert set(batch.label_map[2:].unique().tolist()) <= {2, 255}


def test_without_synthetic_all_are_real(domains):
    assert batches(domains[0], [], num_steps=1)[0].is_real.tolist() == [True] * 4


def test_resumed_steps_have_the_same_batches(domains):
    complete, rest = batches(*domains), batches(*domains, first_step=4, num_steps=2)
    assert len(rest) == 2
    assert all(is_same(*pair) for pair in zip(complete[4:], rest, strict=True))
    assert not is_same(complete[0], complete[1])


def test_uncropped_images_come_along_unchanged_and_change_nothing(domains):
    plain, batch = batches(*domains)[0], batches(*domains, with_uncropped=True)[0]
    assert plain.uncropped is None
    assert is_same(plain, batch)
    assert batch.uncropped.images.shape == (2, 3, 8, 8)
    assert batch.uncropped.images[:, 1].unique().tolist() == [200]  # colours are not changed
    assert batch.uncropped.label_map.unique().tolist() == [2]
    assert batch.uncropped.views.shape == (2, 2, 3)


def test_batch_without_synthetic_has_no_uncropped_images(domains):
    assert batches(domains[0], [], with_uncropped=True)[0].uncropped is None


def test_every_draw_is_changed_in_its_own_way(domains):
    images = torch.cat([batch.images for batch in batches(domains[0], [])])
    assert len(images.flatten(1).unique(dim=0)) == 24


def test_workers_make_the_same_batches_while_other_threads_run(domains):
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        corrupt(domains[1][0], "3")
        alone, helped = batches(*domains), batches(*domains, workers=1)
    finally:
        done.set()
        thread.join()
    assert all(is_same(*pair) for pair in zip(alone, helped, strict=True))
    assert [batch.problems for batch in alone] == [batch.problems for batch in helped]
    assert any(batch.problems for batch in helped)


def test_unreadable_image_is_replaced_and_reported(domains):
    before = batches(*domains, num_steps=1)[0]
    corrupt(domains[0][0], before.keys[0].removeprefix("r0:images/"))
    after = batches(*domains, num_steps=1)[0]
    assert after.keys[0] == before.keys[1]
    assert after.keys[1] not in before.keys
    assert len(after.keys) == 4
    assert [key for key, _ in after.problems] == [before.keys[0]]
    assert "it is empty" in after.problems[0][1]


def test_too_many_unreadable_images_in_a_row_are_an_error(domains):
    corrupt(domains[1][0], *"0123456")
    with pytest.raises(DataError, match=r"^More than 20 of 22 synthetic images.*it is empty"):
        batches(*domains)


def test_excluded_images_are_never_drawn(domains):
    exclude = frozenset({"r0:images/a", "s0:images/0"})
    drawn = {key for batch in batches(*domains, exclude=exclude) for key in batch.keys}
    assert drawn.isdisjoint(exclude)
    assert len(drawn) == 4 + 6


def test_real_images_are_required(domains):
    with pytest.raises(DataError, match="no real data set"):
        batches([], domains[1])


def pairs(source):
    return [(source, pair) for pair in source.pairs]


def evaluate(source_pairs):
    return list(evaluation_batches(source_pairs, size=(4, 6), batch_size=2, is_real=False))


def test_evaluation_keeps_order_and_size(domains):
    result = evaluate(pairs(domains[0][0]))
    assert [len(batch.keys) for batch in result] == [2, 2, 1]
    assert result[0].keys == ("r0:images/a", "r0:images/b")
    assert result[2].images.shape == (1, 3, 4, 6)
    assert result[0].is_real.tolist() == [False, False]


def test_evaluation_reports_unreadable_images_in_the_last_batch_too(domains):
    corrupt(domains[0][0], "a", "d", "e")
    result = evaluate(pairs(domains[0][0]))
    assert [batch.keys for batch in result] == [("r0:images/b", "r0:images/c")]
    assert [key for key, _ in result[0].problems] == ["r0:images/a", "r0:images/d", "r0:images/e"]


def test_evaluation_of_nothing_readable_is_an_error(domains):
    corrupt(domains[0][0], *"abcde")
    with pytest.raises(DataError, match="None of 5 images can be read"):
        evaluate(pairs(domains[0][0]))


def test_evaluation_of_nothing_is_empty():
    assert evaluate([]) == []
