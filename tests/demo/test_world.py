from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from curate.demo.world import CLASS_NAMES, draw_world
from curate.demo.world.canvas import Camera, Canvas
from curate.demo.world.corrupt import CORRUPTIONS, corrupt
from curate.demo.world.drawn_scene import draw_scene, draw_tiles
from curate.demo.world.palette import REAL, SYNTHETIC
from curate.demo.world.texture import TILE_SIDE, noise_tile, sample

SIZE = (48, 64)


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def draw(count, composition=REAL, size=SIZE):
    tiles = draw_tiles(np.random.default_rng(0))
    return [draw_scene(np.random.default_rng(n), composition, tiles, size) for n in range(count)]


@pytest.fixture(scope="module")
def scenes():
    return draw(12)


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
    assert set(np.unique(labels)) <= {*range(len(CLASS_NAMES)), 255}


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
    draw_world(
        tmp_path, num_real=1, num_synthetic=1, num_test=1, size=SIZE, seed=0, on_drawn=told.append
    )
    assert told == [1, 2, 3]


def test_no_partial_file_is_left(world):
    assert not list(world.real.parent.rglob("*.partial"))


def test_every_class_occurs_in_a_few_streets(scenes):
    seen = set().union(*(np.unique(scene.label_map) for scene in scenes))
    assert seen >= set(range(len(CLASS_NAMES)))


def test_sky_is_above_the_road(scenes):
    rows = np.arange(SIZE[0])[:, None]
    for scene in scenes:
        sky, road = (scene.label_map == CLASS_NAMES.index(name) for name in ("sky", "road"))
        if sky.any() and road.any():
            assert (rows * sky).sum() / sky.sum() < (rows * road).sum() / road.sum()


def test_streets_differ(scenes):
    assert len({scene.label_map.tobytes() for scene in scenes}) == len(scenes)


def test_classes_differ_in_colour_less_than_a_lookup_needs(scenes):
    # Colour alone must not tell the class, or there is nothing to learn.
    colours = np.concatenate([scene.image.reshape(-1, 3) for scene in scenes])
    labels = np.concatenate([scene.label_map.ravel() for scene in scenes])
    means = np.stack([colours[labels == c].mean(axis=0) for c in range(len(CLASS_NAMES))])
    nearest = ((colours[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert 0.2 < (nearest == labels)[labels != 255].mean() < 0.85


def test_synthetic_streets_have_more_cars_and_a_higher_camera():
    def cars(composition):
        return np.mean(
            [(s.label_map == CLASS_NAMES.index("car")).mean() for s in draw(16, composition)]
        )

    assert SYNTHETIC.camera_m[0] >= REAL.camera_m[0]
    assert cars(SYNTHETIC) > cars(REAL)


def test_spoiled_share_is_nothing_or_20_to_70_percent_and_more():
    scene = draw(1)[0]
    shares = []
    for n in range(60):
        _, _, truth = corrupt(scene, np.random.default_rng(n))
        shares.append((truth == 0).mean())
    untouched = np.array(shares) == 0
    assert 0.25 < untouched.mean() < 0.55
    assert np.array(shares)[~untouched].min() >= 0.2
    assert np.array(shares).max() < 0.95


def test_untouched_pixels_are_the_scene_and_wrong_labels_are_spoiled():
    scene = draw(1)[0]
    num_mislabelled = num_corrupted = 0
    for n in range(60):
        image, labels, truth = corrupt(scene, np.random.default_rng(n))
        kept = truth == 255
        np.testing.assert_array_equal(image[kept], scene.image[kept])
        np.testing.assert_array_equal(labels[kept], scene.label_map[kept])
        num_corrupted += np.count_nonzero(~kept)
        num_mislabelled += np.count_nonzero(labels != scene.label_map)
    assert 0.3 < num_mislabelled / num_corrupted < 0.6


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_fault_changes_most_of_its_patch_and_stays_in_range(kind):
    scene = draw(1)[0]
    patch = np.zeros(SIZE, bool)
    patch[24:44, 16:48] = True
    colours = CORRUPTIONS[kind](scene, patch, np.random.default_rng(0))
    assert colours.shape == (patch.sum(), 3)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert (np.abs(colours - scene.image[patch]).max(axis=1) > 0.01).mean() > 0.7


def test_flat_fault_gives_each_thing_one_colour():
    scene = draw(1)[0]
    patch = np.ones(SIZE, bool)
    colours = CORRUPTIONS["flat"](scene, patch, np.random.default_rng(0))
    numbers = scene.objects[patch]
    for number in np.unique(numbers):
        assert np.ptp(colours[numbers == number], axis=0).max() < 1e-6


def test_camera_sees_the_horizon_at_eye_level():
    camera = Camera(focal_px=100, height_m=1.5, horizon_px=40, vanishing_px=60)
    assert camera.project(0, 1.5, 10) == (40, 60)
    assert camera.project(2, 0, 10) == (55, 80)  # 40 + 100 * 1.5 / 10, 60 + 100 * 2 / 10


def test_ground_of_the_canvas_agrees_with_the_camera():
    camera = Camera(focal_px=100, height_m=1.5, horizon_px=4, vanishing_px=6)
    first, x, z = Canvas(12, 10).ground(camera)
    row, column = camera.project(float(x[3, 2]), 0, float(z[3, 2]))
    assert (row, column) == pytest.approx((first + 3, 2), abs=1e-3)


def test_painting_marks_class_object_and_distance():
    canvas = Canvas(4, 4)
    canvas.begin(3)
    canvas.begin(5)
    canvas.fill([(0, 0), (0, 1), (1, 1), (1, 0)], (0.1, 0.2, 0.3), 7.0)
    assert canvas.label_map[0, 0] == 5
    assert canvas.objects[0, 0] == 2
    assert canvas.distance_m[0, 0] == 7
    assert canvas.objects[3, 3] == 0


def test_noise_repeats_at_the_border_and_keeps_its_range():
    tile = noise_tile(np.random.default_rng(0), slope=1.0)
    assert -1 <= tile.min() < -0.5 < 0.5 < tile.max() <= 1
    assert abs(tile.mean()) < 0.02
    at = np.array([0.5, TILE_SIDE + 0.5, -TILE_SIDE + 0.5])
    assert len(set(sample(tile, at, at))) == 1
