import numpy as np
import pytest

from curate.dataset_config import ReadingConfig
from curate.proposals import Proposal, propose
from curate.template import init
from tests.checking import making


def carla(root, lut, shape=(48, 64)):
    for number in range(4):
        image, label = making.scene(number)
        colour = np.zeros((*shape, 3), np.uint8)
        colour[..., 0] = np.array(lut, np.uint8)[label]
        making.save(image, root / f"CameraRGB/{number}.png")
        making.save(colour, root / f"CameraSeg/{number}.png")
    return root


def test_usual_ids_need_no_map(tmp_path):
    root = carla(tmp_path / "drive", (0, 7, 1, 10))
    assert propose(root, "synthetic", project=tmp_path) == Proposal("carla")


@pytest.mark.parametrize(("highest", "version"), [(22, "carla-0.9.10"), (28, "carla-0.9.14")])
def test_version_that_knows_the_ids_is_chosen(tmp_path, highest, version):
    root = carla(tmp_path / "drive", (0, 7, 1, highest))
    assert propose(root, "synthetic", project=tmp_path).id_map == version


def test_size_has_the_aspect_ratio_of_the_images(tmp_path):
    root = tmp_path / "wide"
    for number in range(3):
        making.save(np.zeros((60, 120, 3), np.uint8), root / f"images/{number}.png")
        making.save(np.zeros((60, 120), np.uint8), root / f"labels/{number}.png")
    assert propose(root, "real", project=tmp_path).size == (148, 292)


def test_split_is_chosen_for_real_images_only(tmp_path):
    for split in ("val", "train"):
        image, label = making.scene(0)
        making.save(image, tmp_path / f"set/images/{split}/0.png")
        making.save(label, tmp_path / f"set/labels/{split}/0.png")
    assert propose(tmp_path / "set", "real", project=tmp_path).split == "train"
    assert propose(tmp_path / "set", "real", project=tmp_path).test_split == "val"
    synthetic = propose(tmp_path / "set", "synthetic", project=tmp_path)
    assert (synthetic.split, synthetic.test_split) == (None, None)


def test_folder_that_is_not_there_stays_open(tmp_path):
    assert propose(tmp_path / "nowhere", "real", project=tmp_path) == Proposal()


def draw_foreign(root):
    for number in range(3):
        making.save(making.scene(number)[0], root / f"shots/cam_{number:03d}.png")
        making.save(making.scene(number)[1], root / f"truth/ids_{number:03d}.png")
    return root


def test_patterns_are_guessed_where_no_layout_fits(tmp_path):
    found = propose(draw_foreign(tmp_path / "set"), "synthetic", project=tmp_path)
    assert (found.image, found.label) == ("shots/cam_{n}.png", "truth/ids_{n}.png")
    text = init(tmp_path, synthetic=[tmp_path / "set"]).read_text()
    assert 'image = "shots/cam_{n}.png"\nlabel = "truth/ids_{n}.png"' in text


def test_patterns_that_are_given_beat_the_guess(tmp_path):
    reading = ReadingConfig(image="shots/{}_{n}.png", label="truth/{}_{n}.png")
    draw_foreign(tmp_path / "set")
    found = propose(tmp_path / "set", "real", project=tmp_path, reading=reading)
    assert (found.image, found.label) == (reading.image, reading.label)
