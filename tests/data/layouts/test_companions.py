from __future__ import annotations

from curate.data.layouts.companions import companion_of, is_companion


def test_train_ids_are_named_after_the_label_they_are_made_from():
    assert companion_of("GT/LABELS/0000001.png") == "GT/LABELS/0000001_labelTrainIds.png"
    assert companion_of("a_gt_labelIds.png") == "a_gt_labelTrainIds.png"
    assert companion_of("a_gt_labelTrainIds.png") == ""


def test_train_ids_without_their_label_are_labels():
    assert is_companion("y/1_labelTrainIds", {"y/1"})
    assert is_companion("y/1_labelTrainIds", {"y/1_labelIds"})
    assert not is_companion("y/1_labelTrainIds", {"y/2", "x/1"})
    assert not is_companion("y/1", {"y/1"})
