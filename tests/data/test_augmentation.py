from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from curate.config import AugmentConfig
from curate.data.augmentation import (
    Augmentation,
    augment,
    find_view,
    fit_to_size,
    sample_augmentation,
)

LABELS = torch.arange(16, dtype=torch.uint8).reshape(4, 4)
IMAGE = LABELS.expand(3, 4, 4) * 10
UNCHANGED = Augmentation()


def rng():
    return np.random.default_rng(0)


def test_no_change_only_fits():
    image, label_map = augment(IMAGE, LABELS, (4, 4), UNCHANGED)
    assert torch.equal(image, IMAGE)
    assert torch.equal(label_map, LABELS)


def test_flip_is_the_same_for_image_and_label():
    image, label_map = augment(IMAGE, LABELS, (4, 4), Augmentation(is_flipped=True))
    assert label_map[0].tolist() == [3, 2, 1, 0]
    assert image[0, 0].tolist() == [30, 20, 10, 0]


def test_zoom_in_shows_a_section():
    change = Augmentation(scale=2, top=1, left=0)
    image, label_map = augment(IMAGE, LABELS, (2, 2), change)
    assert label_map.tolist() == [[8, 9], [12, 13]]
    assert image[1].tolist() == [[80, 90], [120, 130]]


def test_zoom_out_repeats_edges_and_ignores_what_is_outside():
    image = torch.tensor([[10, 20], [30, 40]], dtype=torch.uint8).expand(3, 2, 2)
    label_map = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)
    change = Augmentation(scale=0.5, top=0, left=1)
    image, label_map = augment(image, label_map, (4, 4), change)
    assert label_map.tolist() == [
        [255, 255, 1, 2], [255, 255, 3, 4], [255] * 4, [255] * 4,
    ]  # fmt: skip
    assert image[0].tolist() == [[10, 10, 10, 20], *[[30, 30, 30, 40]] * 3]


def test_brightness_scales_and_clips():
    image = torch.tensor([100, 200]).to(torch.uint8).reshape(1, 1, 2).expand(3, 1, 2)
    changed, _ = augment(image, torch.zeros(1, 2), (1, 2), Augmentation(brightness=1.5))
    assert changed[0, 0].tolist() == [150, 255]


def test_contrast_moves_away_from_the_mean_grey():
    image = torch.tensor([100, 200]).to(torch.uint8).reshape(1, 1, 2).expand(3, 1, 2)
    changed, _ = augment(image, torch.zeros(1, 2), (1, 2), Augmentation(contrast=0.5))
    assert changed[0, 0].tolist() == [125, 175]


def test_no_saturation_is_grey():
    image = torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(3, 1, 1)
    changed, _ = augment(image, torch.zeros(1, 1), (1, 1), Augmentation(saturation=0))
    assert changed.flatten().tolist() == [76, 76, 76]  # 0.2989 * 255


def test_input_is_never_changed():
    image, label_map = IMAGE.clone(), LABELS.clone()
    augment(image, label_map, (4, 4), Augmentation(scale=0.5, brightness=0.5, is_flipped=True))
    assert torch.equal(image, IMAGE)
    assert torch.equal(label_map, LABELS)


@pytest.mark.parametrize("size", [(8, 8), (6, 14), (18, 4)])
@pytest.mark.parametrize("scale", [0.3, 0.6, 1.0, 1.9, 10.0])
def test_result_has_the_size_asked_for(size, scale):
    image, label_map = augment(IMAGE, LABELS, size, Augmentation(scale=scale))
    assert image.shape == (3, *size)
    assert label_map.shape == size


def test_fitting_averages_the_image_and_picks_labels():
    image = torch.tensor([[0, 0, 200, 200]], dtype=torch.uint8).expand(3, 4, 4)
    label_map = torch.tensor([[1, 1, 2, 2]], dtype=torch.uint8).expand(4, 4)
    fitted, labels = fit_to_size(image, label_map, (2, 2))
    assert labels.tolist() == [[1, 2], [1, 2]]
    assert 0 < fitted[0, 0, 0] < 50
    assert 150 < fitted[0, 0, 1] < 200


def test_fitted_labels_are_those_at_the_centres():
    label_map = torch.arange(6, dtype=torch.uint8).expand(6, 6)
    _, labels = fit_to_size(label_map.expand(3, 6, 6), label_map, (2, 2))
    assert labels.tolist() == [[1, 4], [1, 4]]


def test_sampled_parameters_stay_in_range():
    config = AugmentConfig(scale=(0.5, 2.0), flip=0.5, colour=0.3)
    changes = [sample_augmentation(rng_, config) for rng_ in [rng()] for _ in range(300)]
    scales = [change.scale for change in changes]
    assert 0.5 <= min(scales) < 0.6
    assert 1.8 < max(scales) <= 2.0
    assert all(0.7 <= change.contrast <= 1.3 for change in changes)
    assert 100 < sum(change.is_flipped for change in changes) < 200
    assert all(0 <= change.top <= 1 for change in changes)


def test_switched_off_augmentation_changes_nothing():
    config = AugmentConfig(scale=(1, 1), flip=0, colour=0)
    change = sample_augmentation(rng(), config)
    assert (change.scale, change.is_flipped, change.brightness) == (1, False, 1)


def test_same_generator_state_gives_the_same_parameters():
    config = AugmentConfig()
    assert sample_augmentation(rng(), config) == sample_augmentation(rng(), config)


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("is_flipped", [False, True])
def test_view_tells_where_in_the_image_a_pixel_comes_from(scale, is_flipped):
    change = Augmentation(scale=scale, top=0.3, left=0.9, is_flipped=is_flipped)
    shape, size = (50, 70), (40, 60)
    places = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij")).to(torch.uint8)
    view = find_view(shape, size, change)
    grid = F.affine_grid(view[None], [1, 1, *size], align_corners=False)[0]
    for axis, length in enumerate(shape):
        _, came_from = augment(places.new_zeros(3, *shape), places[axis], size, change)
        told = (grid[..., 1 - axis] + 1) / 2 * length - 0.5
        shown = came_from != 255
        error = (told - came_from)[shown].abs().max()
        assert error <= 0.5 + 1e-3  # labels are taken from the nearest pixel
