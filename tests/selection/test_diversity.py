from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.scores.score_file import ScoreFile
from curate.selection import diversity
from curate.selection.source import SubsetSource
from tests.selection.making import Warnings


def test_each_is_the_farthest_from_those_before():
    points = np.array([[0.0, 0.0], [0.1, 0.0], [3.0, 4.0], [3.0, 0.0], [0.0, 4.0]])
    assert diversity.spread_out(points, 1).tolist() == [0]
    # distances to 0: .1, 5, 3, 4; then to {0, 2}: .1, -, 3 (from 0), 3 (from 2): the first
    assert diversity.spread_out(points, 3).tolist() == [0, 2, 3]
    assert sorted(diversity.spread_out(points, 5).tolist()) == [0, 1, 2, 3, 4]


def test_equal_points_are_chosen_once_each():
    assert sorted(diversity.spread_out(np.zeros((3, 2)), 3).tolist()) == [0, 1, 2]


@pytest.mark.slow
def test_images_that_look_alike_have_features_alike(root, scores):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::8] = 255
    for name, pixels in (("a", noise), ("b", np.roll(noise, 3, axis=1)), ("c", stripes)):
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    with ScoreFile(scores) as file:
        source = SubsetSource(file, root)
        features = diversity.encode_images([(source, row) for row in range(3)], Warnings())
    alike = features @ features.T
    assert alike[0, 1] > alike[0, 2] + 0.5
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-5)
