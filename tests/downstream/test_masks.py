from __future__ import annotations

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from curate.downstream import score_mask, weight_mask
from curate.scores.score_file import ScoreFile
from tests.selection.making import LABELS, write_scores


def test_masks_follow_the_image(tmp_path):
    with ScoreFile(write_scores(tmp_path / "w.h5", tmp_path)) as scores:
        (image_id, *_) = LABELS
        for read, expected in (
            (weight_mask, scores.weight_map(image_id)),
            (score_mask, scores.score_map(image_id)),
        ):
            mask = read(scores, image_id)
            assert isinstance(mask, tv_tensors.Mask)
            image = tv_tensors.Image(torch.zeros(3, 8, 16))
            _, flipped = v2.RandomHorizontalFlip(1.0)(image, mask)
            np.testing.assert_array_equal(flipped[0], expected[:, ::-1])
            assert flipped.dtype == torch.float32
