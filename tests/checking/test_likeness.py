import numpy as np
import pytest

from curate.checking import likeness
from curate.checking.facts import Facts, Stamp


def random_hashes(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def found(near, hashes):
    return {(one, int(other)) for one, others in near(hashes) for other in others}


def test_hashes_that_differ_in_eight_bits_are_near_in_nine_they_are_not():
    hashes = np.array([0, 0xFF, 0x1FF], np.uint64)
    assert found(likeness._near_in_all, hashes) == {(0, 1), (1, 2)}


def test_parts_find_what_is_near_in_one_of_them():
    hashes = np.concatenate([random_hashes(600), random_hashes(600) ^ np.uint64(0b111)])
    assert found(likeness._near_in_parts, hashes) == found(likeness._near_in_all, hashes)
    assert len(found(likeness._near_in_all, hashes)) == 600


@pytest.mark.parametrize(
    ("change", "is_like"),
    [
        (lambda t: t, True),
        (lambda t: t + 10, True),
        (lambda t: t + 14, False),  # brighter by more than 12
        (lambda t: t.mean() + (t - t.mean()) * 1.1, True),
        (lambda t: t.mean() + (t - t.mean()) * 1.5, False),
        (lambda t: t + np.where(np.arange(256) % 2, 0.4, -0.4), True),
        (lambda t: t + np.where(np.arange(256) % 2, 0.6, -0.6), False),
    ],
)
def test_thumbnails_are_like_up_to_light_and_half_a_grey_level(change, is_like):
    thumbnail = np.linspace(50, 150, 256, dtype=np.float32)
    changed = np.asarray(change(thumbnail), np.float32)[None]
    assert likeness._are_like(thumbnail, changed).tolist() == [is_like]


def test_numbers_of_frames_and_names_of_drives_are_told_apart():
    match = likeness._NUMBER.search("0016E5_00390_L")
    assert (match[0], match.start()) == ("00390", 7)


def test_images_alike_through_others_are_one_group(monkeypatch):
    class Survey:
        @staticmethod
        def readable():
            thumbnail = bytes(range(256)).hex()
            return [
                Facts(
                    f"{name}.png",
                    "",
                    Stamp(0, 0, 0, 0),
                    phash="0" * 16,
                    thumbnail=thumbnail,
                    spread=9,
                )
                for name in "abcdef"
            ]

    monkeypatch.setattr(likeness, "like_pairs", lambda _: iter([(1, 4), (0, 4), (2, 3)]))
    groups = likeness.group_repeats(Survey())
    assert groups == [["a.png", "b.png", "e.png"], ["c.png", "d.png"]]
