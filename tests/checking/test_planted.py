"""Defects planted into a sound project are found, each by its code; the sound project has none."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import curate
from tests.checking import making

DEFECTS = {}


def defect(code, file=None):
    """Register a way to spoil a project, and what must be found."""

    def register(spoil):
        DEFECTS[spoil.__name__] = (spoil, code, file)
        return spoil

    return register


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    making.write_project(folder)
    return folder


@pytest.fixture
def project(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "p")
    return tmp_path / "p"


@pytest.fixture(autouse=True)
def _no_probe(monkeypatch):
    monkeypatch.setattr("curate.costs._measure_pace", lambda: 1.0)


def test_sound_project_has_no_problem(project):
    result = curate.check(project / "curate.toml")
    assert result.problems == []
    assert (result.images, result.ok) == (46, 46)


@pytest.mark.parametrize("name", sorted(["real", "synth", "test"]))
def test_sound_set_by_itself_has_no_problem(project, name):
    assert curate.check(project / name).problems == []


# errors of files


@defect("unreadable_image", "images/003.png")
def cut_image(p):
    path = p / "synth/images/003.png"
    path.write_bytes(path.read_bytes()[:-40])


@defect("unreadable_image", "images/003.png")
def flipped_bit_in_image(p):
    path = p / "synth/images/003.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@defect("unreadable_image", "images/003.png")
def empty_image(p):
    (p / "synth/images/003.png").write_bytes(b"")


@defect("unreadable_image", "images/040.jpg")
def cut_jpeg(p):
    image, label = making.scene(999)
    making.save(image, p / "synth/images/040.jpg")
    making.save(label, p / "synth/labels/040.png")
    path = p / "synth/images/040.jpg"
    path.write_bytes(path.read_bytes()[:-200])


@defect("unreadable_label", "images/003.png")
def cut_label(p):
    path = p / "synth/labels/003.png"
    path.write_bytes(path.read_bytes()[:-30])


@defect("unreadable_label", "images/003.png")
def text_for_a_label(p):
    (p / "synth/labels/003.png").write_text("<html>404</html>")


@defect("missing_label", "images/003.png")
def no_label(p):
    (p / "synth/labels/003.png").unlink()


@defect("missing_label", "images/003.png")
def broken_link_to_label(p):
    path = p / "synth/labels/003.png"
    path.unlink()
    path.symlink_to(p / "nowhere.png")


@defect("missing_image", "labels/003.png")
def no_image(p):
    (p / "synth/images/003.png").unlink()


@defect("size_mismatch", "images/003.png")
def other_size(p):
    making.edit_label(p / "synth/labels/003.png", lambda a: a[:-2])


@defect("size_mismatch", "images/003.png")
def turned_label(p):
    making.edit_label(p / "synth/labels/003.png", lambda a: np.ascontiguousarray(a.T))


@defect("colour_coded", "images/003.png")
def one_label_in_colour(p):
    for number in range(30, 60):
        image, label = making.scene(700 + number)
        making.save(image, p / f"synth/images/{number:03d}.png")
        making.save(label, p / f"synth/labels/{number:03d}.png")
    making.edit_label(p / "synth/labels/003.png", lambda a: making.COLOURS.astype(np.uint8)[a])


@defect("size_mismatch", "images/003.png")
def image_turned_without_a_tag(p):
    making.edit_label(p / "synth/images/003.png", lambda a: np.ascontiguousarray(np.rot90(a)))


@defect("unmapped_ids", "images/003.png")
def stray_id(p):
    def change(label):
        label[0, :3] = 77
        return label

    making.edit_label(p / "synth/labels/003.png", change)


@defect("all_ignored", "images/003.png")
def empty_label(p):
    making.edit_label(p / "synth/labels/003.png", lambda a: np.full_like(a, 255))


@defect("too_small", "images/003.png")
def thumbnail(p):
    making.edit_label(p / "synth/images/003.png", lambda a: a[:6, :6])
    making.edit_label(p / "synth/labels/003.png", lambda a: a[:6, :6])


@defect("too_large", "images/003.png")
def header_of_a_giant(p):
    import struct
    import zlib

    path = p / "synth/images/003.png"
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 40000, 40000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)


@defect("bad_name", "images/\ufffd.png")
def name_in_latin_1(p):
    for kind in ("images", "labels"):
        (p / f"synth/{kind}/003.png").rename(p / f"synth/{kind}" / os.fsdecode(b"\xfc.png"))


@defect("duplicate_id", "images/003.png")
def two_suffixes(p):
    image, _ = making.scene(998)
    making.save(image, p / "synth/images/003.jpg")


# errors of sets


@defect("wrong_id_map")
def cityscapes_ids_with_train_ids_map(p):
    making.write_toml(p, synthetic='id_map = "cityscapes19"')
    text = (p / "curate.toml").read_text()
    names = '["sky", "road", "building", "car"]'
    (p / "curate.toml").write_text(text.replace(names, '"cityscapes19"'))
    making.edit_all(p / "synth", lambda a: np.array([23, 7, 11, 26], np.uint8)[a])


@defect("wrong_id_map")
def train_ids_with_cityscapes_map(p):
    text = making.write_toml(p, synthetic='id_map = "cityscapes"').read_text()
    names = '["sky", "road", "building", "car"]'
    (p / "curate.toml").write_text(text.replace(names, '"cityscapes19"'))
    making.edit_all(p / "synth", lambda a: np.array([10, 0, 2, 13], np.uint8)[a])


@defect("wrong_id_map")
def class_indices_with_the_map_of_kitti(p):
    making.write_toml(p, synthetic='id_map = "kitti"')


@defect("wrong_id_map")
def class_indices_with_a_map_of_colours(p):
    making.write_toml(p, synthetic='id_map = "vkitti2"')


@defect("wrong_id_map")
def newer_carla_ids_in_few_files(p):
    making.write_toml(p, synthetic='id_map = "ids.toml"')
    (p / "ids.toml").write_text('[ids]\n0 = "sky"\n1 = "road"\n2 = "building"\n3 = "car"\n')
    for number in range(4):
        lut = np.array([11, 1, 3, 14], np.uint8)
        making.edit_label(p / f"synth/labels/{number:03d}.png", lambda a, lut=lut: lut[a])


def with_cityscapes(p, synthetic):
    """Give the project the classes of Cityscapes, real sets train ids, the synthetic one a map."""
    ours = 'id_map = "cityscapes-trainids"'
    making.write_toml(p, real=ours, synthetic=f'id_map = "{synthetic}"')
    path = p / "curate.toml"
    names = '["sky", "road", "building", "car"]'
    path.write_text(path.read_text().replace(names, '"cityscapes19"'))
    making.edit_all(p / "real", lambda a: np.array([10, 0, 2, 13], np.uint8)[a])


@defect("wrong_id_map")
def newer_carla_ids_that_older_ones_have_too(p):
    with_cityscapes(p, "carla-legacy")
    making.edit_all(p / "synth", lambda a: np.array([11, 1, 3, 1], np.uint8)[a])


@defect("wrong_id_map")
def synthia_sequences_with_the_map_of_rand_cityscapes(p):
    with_cityscapes(p, "synthia")
    making.edit_all(p / "synth", lambda a: np.array([1, 3, 2, 8], np.uint8)[a])
    for number in range(16):
        making.edit_label(
            p / f"synth/labels/{number:03d}.png",
            lambda a: np.where((a == 3) & (np.arange(64) % 9 == 0), 12, a).astype(np.uint8),
        )


@defect("ids_without_map")
def ids_from_one(p):
    making.edit_all(p / "synth", lambda a: a + 1)


@defect("ids_without_map")
def last_class_of_ids_from_one_in_one_file(p):
    making.edit_all(p / "synth", lambda a: np.array([1, 2, 3, 0], np.uint8)[a])
    making.edit_label(p / "synth/labels/003.png", lambda a: np.where(a == 0, 4, a))


@defect("ids_without_map")
def grey_levels_for_ids(p):
    making.edit_all(p / "synth", lambda a: a * 60)


@defect("binary_255")
def masks_of_255(p):
    making.write_toml(p, classes=("rest", "car"))
    making.edit_all(p / "real", lambda a: (a == 3).astype(np.uint8))
    making.edit_all(p / "synth", lambda a: (a == 3).astype(np.uint8) * 255)


@defect("binary_255")
def masks_of_white(p):
    making.write_toml(p, classes=("rest", "car"))
    making.edit_all(p / "real", lambda a: (a == 3).astype(np.uint8))
    making.edit_all(p / "synth", lambda a: np.dstack([(a == 3).astype(np.uint8) * 255] * 3))


@defect("binary_255")
def masks_of_255_beside_masks_of_1(p):
    making.write_toml(p, classes=("rest", "car"))
    making.edit_all(p / "real", lambda a: (a == 3).astype(np.uint8))
    making.edit_all(p / "synth", lambda a: (a == 3).astype(np.uint8))
    for number in range(10):
        making.edit_label(p / f"synth/labels/{number:03d}.png", lambda a: a * 255)


@defect("mixed_bit_depth")
def one_bit_beside_eight(p):
    making.write_toml(p, classes=("rest", "car"))
    making.edit_all(p / "real", lambda a: (a == 3).astype(np.uint8))
    making.edit_all(p / "synth", lambda a: (a == 3).astype(np.uint8) * 255)
    for number in range(0, 30, 2):
        making.edit_label(p / f"synth/labels/{number:03d}.png", lambda a: a > 0)


VOC = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]


@defect("permuted_palette")
def reordered_palettes(p):
    for number in range(30):
        path = p / f"synth/labels/{number:03d}.png"
        order = np.random.default_rng(number).permutation(4)
        label = np.argsort(order).astype(np.uint8)[np.array(Image.open(path))]
        making.save_palette(label, path, np.array(VOC)[order])


@defect("permuted_palette")
def renumbered_greys(p):
    for number in range(30):
        path = p / f"synth/labels/{number:03d}.png"
        label = np.array(Image.open(path))
        making.save_palette(3 - label, path, [[i] * 3 for i in (3, 2, 1, 0)])


@defect("permuted_palette")
def palettes_swapped_between_sides(p):
    for name, order in (("real", [0, 1, 2, 3]), ("synth", [0, 2, 1, 3])):
        for path in (p / name / "labels").glob("*.png"):
            label = np.array(order, np.uint8)[np.array(Image.open(path))]
            making.save_palette(label, path, np.array(VOC)[order])


@defect("mixed_palettes")
def palettes_of_two_tools(p):
    for number in range(30):
        path = p / f"synth/labels/{number:03d}.png"
        colours = np.array(VOC) + (7 if number % 3 == 0 else 0)
        making.save_palette(np.array(Image.open(path)), path, colours)


@defect("mixed_palettes")
def reordered_palettes_beside_grey_labels(p):
    for number in range(0, 30, 2):
        path = p / f"synth/labels/{number:03d}.png"
        label = np.array([0, 2, 1, 3], np.uint8)[np.array(Image.open(path))]
        making.save_palette(label, path, np.array(VOC)[[0, 2, 1, 3]])


@defect("colour_coded")
def colours_for_classes(p):
    making.edit_all(p / "synth", lambda a: making.COLOURS.astype(np.uint8)[a])


@defect("colour_coded")
def carla_in_colours(p):
    making.write_toml(p, synthetic='id_map = "ids.toml"')
    text = 'channel = "first"\n[ids]\n0 = "car"\n7 = "road"\n1 = "building"\n12 = "sky"\n'
    (p / "ids.toml").write_text(text)
    codes = np.array([[70, 130, 180], [128, 64, 128], [70, 70, 70], [0, 0, 142]], np.uint8)
    making.edit_all(p / "synth", lambda a: codes[a])


@defect("no_shared_class")
def other_classes(p):
    making.write_toml(p, classes=("a", "b", "c", "d"))
    making.edit_all(p / "real", lambda a: a % 2)
    making.edit_all(p / "synth", lambda a: a % 2 + 2)


@defect("ambiguous_layout")
def two_layouts(p):
    shutil.copytree(p / "synth/images", p / "synth/CameraRGB")
    shutil.copytree(p / "synth/labels", p / "synth/CameraSeg")
    shutil.copytree(p / "synth/images", p / "synth/RGB")
    shutil.copytree(p / "synth/labels", p / "synth/GT/LABELS")


@defect("mixed_splits")
def whole_root_for_real(p):
    for kind in ("images", "labels"):
        for split, numbers in (("train", range(6)), ("val", range(6, 10))):
            (p / f"real/{kind}/{split}").mkdir()
            for number in numbers:
                name = f"{number:03d}.png"
                (p / f"real/{kind}/{name}").rename(p / f"real/{kind}/{split}/{name}")


@defect("mostly_unfit")
def most_labels_missing(p):
    for number in range(20):
        (p / f"synth/labels/{number:03d}.png").unlink()


# warnings


@defect("leakage", "images/003.png")
def real_image_in_test_set(p):
    shutil.copy(p / "real/images/003.png", p / "test/images/009.png")
    shutil.copy(p / "real/labels/003.png", p / "test/labels/009.png")


@defect("leakage", "images/003.png")
def real_image_as_jpeg_among_synthetic(p):
    with Image.open(p / "real/images/003.png") as opened:
        opened.convert("RGB").save(p / "synth/images/090.jpg", quality=92)
    shutil.copy(p / "real/labels/003.png", p / "synth/labels/090.png")


@defect("leakage")
def one_drive_cut_in_two(p):
    for name, numbers in (("real", range(10)), ("test", range(10, 16))):
        for row, path in enumerate(sorted((p / name / "images").glob("*.png"))):
            new = f"0016E5_{numbers[row]:05d}.png"
            path.rename(path.with_name(new))
            (p / name / "labels" / path.name).rename(p / name / "labels" / new)


@defect("duplicate", "images/021.png")
def same_image_twice(p):
    for kind in ("images", "labels"):
        shutil.copy(p / f"synth/{kind}/020.png", p / f"synth/{kind}/021.png")


@defect("near_duplicate", "images/090.jpg")
def same_image_compressed(p):
    with Image.open(p / "synth/images/003.png") as opened:
        opened.save(p / "synth/images/090.jpg", quality=92)
    shutil.copy(p / "synth/labels/003.png", p / "synth/labels/090.png")


@defect("near_duplicate", "images/004.png")
def same_image_brighter(p):
    with Image.open(p / "synth/images/003.png") as opened:
        image = np.array(opened).astype(int)
    making.save((image * 0.97 + 4).clip(0, 255).astype(np.uint8), p / "synth/images/004.png")
    shutil.copy(p / "synth/labels/003.png", p / "synth/labels/004.png")


@defect("blank_image", "images/003.png")
def black_image(p):
    making.edit_label(p / "synth/images/003.png", np.zeros_like)


@defect("blank_image", "images/003.png")
def grey_image_with_faint_noise(p):
    noise = np.random.default_rng(0).integers(126, 129, (48, 64, 3)).astype(np.uint8)
    making.save(noise, p / "synth/images/003.png")


@defect("one_class", "images/003.png")
def label_of_one_class(p):
    making.edit_label(p / "synth/labels/003.png", lambda a: np.full_like(a, 3))


@defect("one_class")
def set_of_one_class(p):
    making.edit_all(p / "synth", lambda a: np.where(a == 3, 3, 255).astype(np.uint8))


@defect("class_only_real")
def no_car_in_synthetic(p):
    making.edit_all(p / "synth", lambda a: np.where(a == 3, 1, a).astype(np.uint8))


@defect("class_only_synthetic")
def no_car_in_real(p):
    making.edit_all(p / "real", lambda a: np.where(a == 3, 1, a).astype(np.uint8))


@defect("aspect_ratio")
def wide_size(p):
    text = (p / "curate.toml").read_text()
    (p / "curate.toml").write_text(text.replace("[48, 64]", "[48, 96]"))


@defect("rotated", "images/090.jpg")
def photo_turned_by_180_degrees(p):
    image, label = making.scene(777)
    exif = Image.Exif()
    exif[0x0112] = 3
    making.save(np.ascontiguousarray(image[::-1, ::-1]), p / "synth/images/090.jpg", exif=exif)
    making.save(label, p / "synth/labels/090.png")


@defect("size_mismatch", "images/090.jpg")
def label_as_stored_of_a_photo_turned_by_90_degrees(p):
    image, label = making.scene(777)
    exif = Image.Exif()
    exif[0x0112] = 6
    making.save(image, p / "synth/images/090.jpg", exif=exif)
    making.save(label, p / "synth/labels/090.png")


@defect("high_bit_depth")
def sixteen_bits(p):
    from curate.data.png import encode_png

    for path in (p / "synth/images").glob("*.png"):
        grey = np.array(Image.open(path))[..., 0].astype(np.uint16) * 257
        path.write_bytes(encode_png(grey))


@defect("other_files")
def raw_files_beside_images(p):
    (p / "synth/images/100.arw").write_bytes(b"raw")
    (p / "synth/images/101.arw").write_bytes(b"raw")


@defect("dummy_labels")
def split_without_labels(p):
    for kind in ("images", "labels"):
        for split, numbers in (("train", range(20)), ("test", range(20, 30))):
            (p / f"synth/{kind}/{split}").mkdir()
            for number in numbers:
                name = f"{number:03d}.png"
                (p / f"synth/{kind}/{name}").rename(p / f"synth/{kind}/{split}/{name}")
    for path in (p / "synth/labels/test").glob("*.png"):
        making.edit_label(path, lambda a: np.full_like(a, 255))


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_planted_defect_is_found(project, name):
    spoil, code, file = DEFECTS[name]
    spoil(project)
    found = making.codes_of(curate.check(project / "curate.toml"))
    assert (code, file) in found, sorted(found, key=str)


def test_palettes_in_colour_beside_grey_labels_are_a_warning(project):
    reordered_palettes_beside_grey_labels(project)
    (problem,) = curate.check(project / "curate.toml").problems
    assert problem.severity == "warning"
    assert "15 labels of" in problem.message
    assert "in labels/000.png and labels/001.png" in problem.message


def test_grey_palettes_beside_grey_labels_are_no_problem(project):
    for number in range(0, 30, 2):
        path = project / f"synth/labels/{number:03d}.png"
        making.save_palette(np.array(Image.open(path)), path, [[i] * 3 for i in range(4)])
    assert curate.check(project / "curate.toml").problems == []


def test_every_code_is_planted():
    from curate.checking import problems

    listed = {*problems.FILE_ERRORS, *problems.SET_ERRORS, *problems.WARNINGS}
    planted = {code for _, code, _ in DEFECTS.values()}
    assert listed == planted
    assert len(DEFECTS) >= 40


@pytest.mark.parametrize(
    ("id_map", "advice"),
    [
        ("kitti", "like train ids (then the id map is 'cityscapes-trainids'), or like indices of"),
        ("camvid32", "like indices of the classes in use (then it is 'classes')"),
        ("vkitti2", "If they are the indices of the classes in use, the id map is 'classes'"),
    ],
)
def test_class_indices_read_by_a_published_map_are_told_what_they_look_like(
    project, id_map, advice
):
    making.write_toml(project, synthetic=f'id_map = "{id_map}"')
    messages = [p.message for p in curate.check(project / "curate.toml").problems]
    assert any(advice in message for message in messages), messages
    making.write_toml(project, synthetic='id_map = "classes"', test=True)
    assert curate.check(project / "curate.toml").problems == []
