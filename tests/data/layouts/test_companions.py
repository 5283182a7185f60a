from __future__ import annotations

from curate.data.layouts.companions import is_companion


def test_train_ids_without_their_label_are_labels():
    assert is_companion("y/1_labelTrainIds", {"y/1"})
    assert is_companion("y/1_labelTrainIds", {"y/1_labelIds"})
    assert not is_companion("y/1_labelTrainIds", {"y/2", "x/1"})
    assert not is_companion("y/1", {"y/1"})
