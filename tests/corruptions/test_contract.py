"""What every corruption promises."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from curate.corruptions import CORRUPTIONS, STRENGTHS, LabelledImage, choose_corruptions
from curate.errors import UsageError
from curate.records import IGNORE_INDEX

SIZES = [(48, 64), (37, 53), (9, 8), (3, 5), (1, 1)]
NEED_TWO_CLASSES = {"shifted_label", "eroded_label", "missing_object"}


def draw_image(height=48, width=64, seed=0, num_classes=4):
    """Textured blocks of several classes, an object, a speck and a strip without a class."""
    rng = np.random.default_rng(seed)
    images, label_maps = [], []
    for _ in range(2):
        label_map = np.zeros((height, width), np.uint8)
        label_map[: height // 3] = 1
        label_map[height // 2 : height // 2 + 8, width // 4 : width // 4 + 9] = 2
        label_map[:, : width // 8] = 3
        label_map = np.minimum(label_map, num_classes - 1)
        label_map[-2:] = IGNORE_INDEX
        if height < 3:
            label_map[:] = 0
        colours = rng.integers(40, 215, (5, 3))[np.minimum(label_map, 4)].transpose(2, 0, 1)
        images.append((colours + rng.normal(0, 15, colours.shape)).clip(0, 255).astype(np.uint8))
        label_maps.append(np.roll(label_map, rng.integers(width), axis=1))
    return LabelledImage(images[0], label_maps[0], images[1], label_maps[1])


def inject(name, source, *, strength="strong", seed=0, share=0.5):
    return CORRUPTIONS[name].inject(
        source, np.random.default_rng(seed), strength=strength, share=share
    )


every_corruption = pytest.mark.parametrize("name", CORRUPTIONS)
every_strength = pytest.mark.parametrize("strength", STRENGTHS)


@every_corruption
@every_strength
@pytest.mark.parametrize("size", SIZES)
def test_mask_is_exactly_what_changed_among_labelled_pixels(name, strength, size):
    source = draw_image(*size)
    for seed in range(4):
        injected = inject(name, source, strength=strength, seed=seed)
        is_changed = (injected.image != source.image).any(axis=0)
        is_changed |= injected.label_map != source.label_map
        has_class = source.label_map != IGNORE_INDEX
        assert (injected.is_corrupted == (is_changed & has_class)).all()
        assert (injected.image.dtype, injected.label_map.dtype) == (np.uint8, np.uint8)


@every_corruption
@every_strength
def test_something_is_corrupted_and_something_is_left(name, strength):
    source = draw_image()
    for seed in range(4):
        corrupted = inject(name, source, strength=strength, seed=seed).is_corrupted
        assert 0 < corrupted.sum() < source.is_valid.sum()


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if CORRUPTIONS[name].is_regional])
def test_regional_corruptions_change_about_the_wanted_share(name):
    def mean_share(wanted):
        sources = [(draw_image(96, 128, seed=seed), seed) for seed in range(12)]
        injections = [(s, inject(name, s, seed=seed, share=wanted)) for s, seed in sources]
        return np.mean([p.is_corrupted.sum() / s.is_valid.sum() for s, p in injections])

    part = 0.5 if name == "pasted" else 1  # only content of another class is pasted
    for wanted in (0.25, 0.5, 0.75):
        assert mean_share(wanted) == pytest.approx(part * wanted, abs=0.1)


@every_corruption
@every_strength
def test_ignored_pixels_stay_ignored_and_labelled_ones_labelled(name, strength):
    for seed in range(4):
        injected = inject(name, draw_image(), strength=strength, seed=seed)
        before = draw_image().label_map == IGNORE_INDEX
        assert ((injected.label_map == IGNORE_INDEX) == before).all()
        assert not injected.is_corrupted[before].any()


@every_corruption
@every_strength
def test_same_seed_injects_the_same_and_another_seed_another(name, strength):
    first, again = (inject(name, draw_image(), strength=strength, seed=3) for _ in range(2))
    assert (first.image == again.image).all()
    assert (first.label_map == again.label_map).all()
    others = [inject(name, draw_image(), strength=strength, seed=seed) for seed in range(4, 8)]
    assert any(
        (o.image != first.image).any() or (o.label_map != first.label_map).any() for o in others
    )


@every_corruption
def test_parameters_decide_and_nothing_else(name):
    source = draw_image()
    parameters = CORRUPTIONS[name].sample(source, np.random.default_rng(5), strength="strong")
    first = CORRUPTIONS[name].apply(source, parameters)
    again = CORRUPTIONS[name].apply(draw_image(), parameters)
    assert (first.image == again.image).all()
    assert (first.label_map == again.label_map).all()


@every_corruption
def test_strong_changes_more_than_mild(name):
    def damage(strength):
        total = 0.0
        for seed in range(12):
            source = draw_image(seed=seed)
            injected = inject(name, source, strength=strength, seed=seed)
            difference = injected.image.astype(float) - source.image
            total += (
                np.abs(difference).mean() / 40 + (injected.label_map != source.label_map).mean()
            )
        return total

    assert damage("strong") > 1.15 * damage("mild")


@every_corruption
@every_strength
def test_source_is_left_as_it_was(name, strength):
    source, copy = draw_image(), draw_image()
    inject(name, source, strength=strength)
    for part in ("image", "label_map", "donor_image", "donor_label_map"):
        assert (getattr(source, part) == getattr(copy, part)).all()


@every_corruption
def test_image_without_any_class_is_left_alone(name):
    source = draw_image()
    nothing = np.full_like(source.label_map, IGNORE_INDEX)
    injected = inject(name, LabelledImage(source.image, nothing, source.donor_image, nothing))
    assert not injected.is_corrupted.any()
    assert (injected.label_map == IGNORE_INDEX).all()


@every_corruption
@every_strength
def test_image_of_one_class_is_corrupted_if_it_can_be(name, strength):
    source = draw_image(num_classes=1)
    other = draw_image()
    source = LabelledImage(source.image, source.label_map, other.donor_image, other.donor_label_map)
    is_corrupted = inject(name, source, strength=strength).is_corrupted.any()
    if name in NEED_TWO_CLASSES or (name, strength) == ("wrong_label", "mild"):
        assert not is_corrupted
    elif name != "mixture":  # which may have drawn only such ones
        assert is_corrupted


@every_corruption
def test_donor_of_another_size_will_do(name):
    source, other = draw_image(), draw_image(29, 90)
    mixed = LabelledImage(source.image, source.label_map, other.donor_image, other.donor_label_map)
    assert inject(name, mixed).is_corrupted.any()


def test_corruptions_are_those_that_were_promised():
    assert set(CORRUPTIONS) == {
        "style",
        "blur",
        "noise",
        "flat",
        "light",
        "wrong_scale",
        "pasted",
        "missing_object",
        "wrong_label",
        "shifted_label",
        "eroded_label",
        "mixture",
    }


def test_corruptions_are_chosen_by_name_in_the_order_given():
    assert list(choose_corruptions(["noise", "blur"])) == ["noise", "blur"]


@pytest.mark.parametrize(
    ("names", "message"),
    [(["blurr"], r"'blurr' is no corruption.*Did you mean 'blur'"), ([], "No corruption is named")],
)
def test_unknown_corruption_is_refused(names, message):
    with pytest.raises(UsageError, match=message):
        choose_corruptions(names)


def test_corruptions_need_no_torch():
    code = "import sys, curate.corruptions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_corruptions_travel_to_the_processes_that_read():
    copies = pickle.loads(pickle.dumps(CORRUPTIONS))
    first, again = (
        corruptions["mixture"].inject(draw_image(), np.random.default_rng(0), strength="mild")
        for corruptions in (CORRUPTIONS, copies)
    )
    assert (first.image == again.image).all()
