from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from curate.demonstration.world import CLASS_NAMES, draw_world
from curate.demonstration.world.canvas import TILE_SIDE, Canvas, draw_tiles, noise_tile
from curate.demonstration.world.corrupt import corrupt
from curate.demonstration.world.street import REAL, SYNTHETIC, draw_street

SIZE = (48, 64)
TILES = draw_tiles(np.random.default_rng(0))


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def draw(count, composition=REAL):
    """Draw some streets: images (3, H, W) and label maps."""
    rngs = map(np.random.default_rng, range(count))
    return zip(*(draw_street(composition, SIZE, TILES, rng) for rng in rngs), strict=True)


@pytest.fixture(scope="module")
def street():
    return draw_street(SYNTHETIC, (96, 128), TILES, np.random.default_rng(0))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return draw_world(folder, num_real=2, num_synthetic=10, num_test=1, size=SIZE, seed=0)


def test_world_is_three_data_sets_of_the_folder_layout(world):
    for folder, number in ((world.real, 2), (world.synthetic, 10), (world.test, 1)):
        images = sorted(path.name for path in (folder / "images").iterdir())
        assert images == [f"{n:05d}.png" for n in range(number)]
        assert sorted(path.name for path in (folder / "labels").iterdir()) == images


def test_files_hold_8_bit_images_and_class_indices(world):
    image, labels = (read(world.real / kind / "00000.png") for kind in ("images", "labels"))
    assert (image.shape, image.dtype) == ((*SIZE, 3), np.uint8)
    assert (labels.shape, labels.dtype) == (SIZE, np.uint8)
    assert set(np.unique(labels)) <= {*range(len(CLASS_NAMES))}


def test_truth_exists_for_every_synthetic_image_and_has_two_values(world):
    truths = [read(path) for path in sorted(world.truth.iterdir())]
    assert len(truths) == 10
    assert {int(v) for truth in truths for v in np.unique(truth)} == {0, 255}


def test_same_seed_draws_the_same_files_and_another_seed_others(tmp_path):
    def digest(name, seed):
        draw_world(tmp_path / name, num_real=1, num_synthetic=2, num_test=1, size=SIZE, seed=seed)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]

    first = digest("first", 0)
    assert len(first) == 10
    assert digest("again", 0) == first
    assert digest("other", 1) != first


def test_an_image_does_not_depend_on_how_many_are_drawn(tmp_path, world):
    fewer = draw_world(tmp_path, num_real=1, num_synthetic=1, num_test=0, size=SIZE, seed=0)
    for kind in ("images", "labels"):
        for mine, theirs in ((fewer.real, world.real), (fewer.synthetic, world.synthetic)):
            np.testing.assert_array_equal(
                read(mine / kind / "00000.png"), read(theirs / kind / "00000.png")
            )


def test_progress_is_told_after_every_image(tmp_path):
    told = []
    number = {"num_real": 1, "num_synthetic": 1, "num_test": 1}
    draw_world(tmp_path, **number, size=SIZE, seed=0, on_drawn=told.append)
    assert told == [1, 2, 3]


def test_no_partial_file_is_left(world):
    assert not list(world.real.parent.rglob("*.partial"))


def test_every_class_occurs_in_a_few_streets_and_streets_differ():
    _, label_maps = draw(12)
    assert set(np.unique(label_maps)) == set(range(len(CLASS_NAMES)))
    assert len({label_map.tobytes() for label_map in label_maps}) == 12


def test_sky_is_above_the_road():
    rows = np.arange(SIZE[0])[:, None]
    _, label_maps = draw(6)
    for label_map in label_maps:
        sky, road = (label_map == CLASS_NAMES.index(name) for name in ("sky", "road"))
        assert sky.any()
        assert (rows * sky).sum() / sky.sum() < (rows * road).sum() / road.sum()


def test_colour_alone_does_not_tell_the_class():
    # Or there would be nothing to learn.
    images, label_maps = (np.stack(arrays) for arrays in draw(12))
    colours, labels = images.transpose(0, 2, 3, 1).reshape(-1, 3), label_maps.ravel()
    means = np.stack([colours[labels == c].mean(axis=0) for c in range(len(CLASS_NAMES))])
    nearest = ((colours[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert 0.2 < (nearest == labels).mean() < 0.85


def test_synthetic_streets_have_more_cars_and_a_higher_camera():
    def share_of_cars(composition):
        _, label_maps = draw(16, composition)
        return (np.stack(label_maps) == CLASS_NAMES.index("car")).mean()

    assert SYNTHETIC.camera_m[0] >= REAL.camera_m[0]
    assert share_of_cars(SYNTHETIC) > share_of_cars(REAL)


def test_two_images_of_five_are_sound_and_a_third_of_all_pixels_is_corrupted(street):
    shares = np.array(
        [corrupt(*street, np.random.default_rng(n)).is_corrupted.mean() for n in range(40)]
    )
    assert 0.25 < (shares == 0).mean() < 0.55
    assert shares[shares > 0].min() > 0.15
    assert 0.25 < shares.mean() < 0.42


def test_truth_marks_just_the_pixels_that_differ_from_what_was_drawn(street):
    image, label_map = street
    num_recoloured = num_mislabelled = 0
    for n in range(20):
        corrupted = corrupt(image, label_map, np.random.default_rng(n))
        is_recoloured = (corrupted.image != image).any(axis=0)
        is_mislabelled = corrupted.label_map != label_map
        np.testing.assert_array_equal(corrupted.is_corrupted, is_recoloured | is_mislabelled)
        num_recoloured += is_recoloured.sum()
        num_mislabelled += is_mislabelled.sum()
    assert 0.4 < num_mislabelled / num_recoloured < 1.2


def canvas(size=(6, 5)):
    made = Canvas(size, 1.5, TILES, np.random.default_rng(0))
    made.focal_px, made.horizon_px, made.vanishing_px = 100.0, 40.0, 60.0
    return made


def test_camera_sees_the_horizon_at_eye_level():
    assert canvas().project(0, 1.5, 10) == (40, 60)
    assert canvas().project(2, 0, 10) == (55, 80)  # 40 + 100 * 1.5 / 10, 60 + 100 * 2 / 10


def test_distant_paint_fades_into_the_haze():
    made = canvas()
    made.tint[:] = 1
    made.haze[:], made.haze_m = 0.5, 10
    made.paint((np.array([1, 2]), np.array([3, 3])), 4, np.zeros(3), np.array([0.0, 1e6]))
    assert made.label_map[1, 3] == made.label_map[2, 3] == 4
    np.testing.assert_allclose(made.colour[[1, 2], [3, 3], 0], [0, 0.5])
    made.paint((np.array([1]), np.array([3])), 2, np.zeros(3), 10 * np.log(2))
    np.testing.assert_allclose(made.colour[1, 3], 0.25)


def test_photograph_has_one_pixel_for_four_of_the_canvas():
    made = canvas()
    made.colour[:, :4] = 1
    made.label_map[0, :] = 3
    image, label_map = made.photograph()
    assert (image.shape, image.dtype, label_map.shape) == ((3, 6, 5), np.uint8, (6, 5))
    assert label_map[0].tolist() == [3] * 5
    assert not label_map[1:].any()
    assert image[:, :, 0].min() > 120 > 60 > image[:, :, 4].max()


def test_noise_repeats_at_the_border_and_keeps_its_range():
    tile = noise_tile(np.random.default_rng(0), slope=1.0)
    assert -1 <= tile.min() < -0.5 < 0.5 < tile.max() <= 1
    assert abs(tile.mean()) < 0.02
    at = np.array([0.5, TILE_SIDE + 0.5, -TILE_SIDE + 0.5])
    assert len(set(canvas().noise(0, at, at))) == 1
