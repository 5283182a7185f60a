import numpy as np
import pytest
from PIL import Image

from curate import check
from tests.checking import making


@pytest.fixture
def project(tmp_path):
    making.write_set(tmp_path / "real", 4, seed=0)
    making.write_set(tmp_path / "synth", 4, seed=50)
    making.write_toml(tmp_path)
    return tmp_path


def advice(project):
    problems = check(project / "curate.toml").problems
    return [p.message for p in problems if p.severity == "error" and p.file is None]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a.astype(np.uint16) * 1000 + 7, "like ids of instances (1007 = 1 and a number)"),
        (
            lambda a: (a + np.arange(64) // 3 * 9 % 101).astype(np.uint8),
            "ids may be blends",
        ),
        (lambda a: a + 60, 'gives all ids their class, 60 = "car" and so on under [ids]'),
        (lambda a: a * 7, "All are multiples of 7: they may be 7 times the class"),
    ],
)
def test_unknown_ids_are_told_what_they_may_come_of(project, change, text):
    making.edit_all(project / "synth", change)
    (message,) = advice(project)
    assert text in message
    assert "(the first: labels/000.png)" in message


def test_colours_changed_by_jpeg_are_blends_of_known_ones(project):
    making.write_toml(project, synthetic='id_map = "colours.toml"')
    lines = [
        f'"{",".join(map(str, colour.astype(int)))}" = "{name}"'
        for colour, name in zip(making.COLOURS, making.CLASSES, strict=True)
    ]
    (project / "colours.toml").write_text("\n".join(["[colours]", *lines]))
    noise = np.random.default_rng(0).integers(-9, 10, (48, 64, 3))
    making.edit_all(project / "synth", lambda a: (making.COLOURS[a] + noise).astype(np.uint8))
    (message,) = advice(project)
    assert 'stored as JPEG. Make them anew without interpolation, or set unmapped = "nearest"' in (
        message
    )


def resize(how, by=1.5):
    def change(label):
        picture = Image.fromarray(label)
        return np.asarray(picture.resize((int(64 * by), int(48 * by)), how).resize((64, 48), 0))

    return change


@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_known_ids_that_lie_between_those_of_both_sides_are_blends(project, how):
    making.edit_all(project / "synth", lambda a: resize(how)(a * 10))
    names = ", ".join(f'{raw} = "{making.CLASSES[raw // 10]}"' for raw in range(31))
    (project / "ids.toml").write_text("[ids]\n" + names.replace(", ", "\n"))
    making.write_toml(project, synthetic='id_map = "ids.toml"')
    (message,) = advice(project)
    assert "of the edges in the labels of" in message
    assert "without interpolation (nearest neighbour), as PNG" in message


def test_labels_resized_without_interpolation_are_sound(project):
    making.edit_all(project / "synth", resize(Image.Resampling.NEAREST))
    assert advice(project) == []


def test_labels_of_pure_noise_are_no_blends(project):
    rng = np.random.default_rng(0)
    making.edit_all(project / "synth", lambda a: rng.integers(0, 4, a.shape, dtype=np.uint8))
    assert not any("of the edges in the labels" in message for message in advice(project))


def test_class_of_thin_outlines_is_no_blend(project):
    def outline(label):
        sides = (label[:, 1:] != label[:, :-1]) & (label[:, 1:] + label[:, :-1] != 1)
        grown = np.where(label == 0, 0, 2)
        grown[:, 1:][sides] = 1
        return grown.astype(np.uint8)

    making.edit_all(project / "real", outline)
    making.edit_all(project / "synth", outline)
    assert advice(project) == []


def test_many_colours_without_a_map_may_be_blends_of_few(project):
    noise = np.random.default_rng(0).integers(-9, 10, (48, 64, 1))
    making.edit_all(project / "synth", lambda a: (making.COLOURS[a] + noise).astype(np.uint8))
    (message,) = advice(project)
    assert 'unmapped = "nearest" in that file' in message
