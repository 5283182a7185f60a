import math

import numpy as np
import pytest

from curate.metrics import auroc, class_iou, confusion_matrix, mean_iou


def test_auroc_counts_pairs_in_the_right_order():
    # positives .9 and .4 against negatives .5 and .1: right, right, wrong, right
    assert auroc([0.9, 0.4, 0.5, 0.1], [True, True, False, False]) == 0.75


def test_auroc_counts_ties_as_half():
    assert auroc([0.5, 0.5], [True, False]) == 0.5


def test_auroc_leaves_out_nan():
    assert auroc([1.0, np.nan, 0.0], [True, False, False]) == 1.0


def test_auroc_without_negatives_is_nan():
    assert math.isnan(auroc([0.1, 0.2], [True, True]))


def test_auroc_of_shuffled_labels_is_near_half():
    rng = np.random.default_rng(0)
    assert auroc(rng.random(20_000), rng.random(20_000) < 0.3) == pytest.approx(0.5, abs=0.01)


def test_confusion_leaves_out_ignored_pixels():
    label_map = np.array([[0, 1], [1, 255]], dtype=np.uint8)
    predicted = np.array([[0, 0], [1, 1]])
    assert confusion_matrix(label_map, predicted, 2).tolist() == [[1, 0], [1, 1]]


def test_iou_by_hand():
    confusion = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]])
    iou = class_iou(confusion)
    assert iou[:2].tolist() == [0.5, 0.5]
    assert np.isnan(iou[2])
    assert mean_iou(confusion) == 0.5


def test_mean_iou_over_chosen_classes_skips_absent_ones():
    confusion = np.array([[4, 0, 0], [1, 3, 0], [0, 0, 0]])
    assert mean_iou(confusion, [1, 2]) == 0.75
    assert math.isnan(mean_iou(confusion, [2]))
