"""Images that are equal or nearly so, within a set and between sets: perceptual hashes, checked.

A perceptual hash (`imagehash.phash`) finds candidates; a thumbnail of 16x16 pixels decides. On
frames of a simulator's drive, hashes alone also join frames that are seconds apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from curate.checking.problems import Problem, make_problem
from curate.data.layouts.patterns import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from curate.checking.facts import Facts, Survey

MAX_BITS: Final = 8
"""Of 64 bits of the hash, how many may differ."""
MAX_RESIDUE: Final = 0.5
"""Mean difference of two thumbnails in grey levels, brightness and contrast apart."""
MAX_SHIFT: Final = 12.0
"""Difference in brightness, in grey levels."""
GAINS: Final = (0.85, 1.18)
"""Range of the ratio of their contrasts."""
DRIVE_BITS: Final = 18
"""Median of the bits by which neighbouring frames of one drive differ; 32 by chance."""
MIN_FRAMES: Final = 3
"""Of a drive on each side."""
_EXHAUSTIVE: Final = 20_000
"""Images up to which each is compared with each; of more, those that share a part of the hash."""
_CHUNK: Final = 512
_NUMBER: Final = re.compile(r"(\d+)(?=\D*$)")


class Hashed(NamedTuple):
    """The images of one or several sets that have been hashed.

    Attributes
    ----------
    rows : list of (Survey, Facts)
    hashes : (N,) uint64
    thumbnails : (N, 256) float32
    digests : list of str
    """

    rows: list[tuple[Survey, Facts]]
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.float32]
    digests: list[str]


def find_repeats(survey: Survey) -> Iterator[Problem]:
    """Yield every image that is like an earlier one of its set."""
    hashed = gather_hashed([survey])
    earlier: dict[int, int] = {}
    for one, other in like_pairs(hashed):
        earlier.setdefault(max(one, other), min(one, other))
    root = survey.source.root
    for row, first in sorted(earlier.items()):
        (_, facts), (_, like) = hashed.rows[row], hashed.rows[first]
        is_equal = hashed.digests[row] == hashed.digests[first]
        code, what = ("duplicate", "equals") if is_equal else ("near_duplicate", "nearly equals")
        message = f"{root / facts.image_path} {what} {like.image_path}. Keep one of them."
        yield make_problem(code, message, file=facts.image_path, dataset=root)


def find_leakage(surveys: Sequence[Survey]) -> Iterator[Problem]:
    """Yield images that sets of different sides share, and drives that were cut between them."""
    hashed = gather_hashed(surveys)
    told = set()
    for one, other in like_pairs(hashed):
        (a, facts_a), (b, facts_b) = hashed.rows[one], hashed.rows[other]
        if a.side == b.side or a is b:
            continue
        (left, leaked), (right, like) = sorted(
            ((a, facts_a), (b, facts_b)), key=lambda item: item[0].side == "test"
        )
        if (left.name, leaked.image_path) in told:
            continue
        told.add((left.name, leaked.image_path))
        what = "equals" if hashed.digests[one] == hashed.digests[other] else "nearly equals"
        message = (
            f"{left.source.root / leaked.image_path} ({left.side}) {what} "
            f"{right.source.root / like.image_path} ({right.side}). Keep it on one side."
        )
        yield make_problem("leakage", message, file=leaked.image_path, dataset=left.source.root)
    for number, one_set in enumerate(surveys):
        for other_set in surveys[number + 1 :]:
            if {one_set.side, other_set.side} == {"real", "test"}:
                yield from _cut_drives(one_set, other_set)


def gather_hashed(surveys: Sequence[Survey]) -> Hashed:
    """Put the hashed images of some sets into arrays; blank ones are alike without meaning it."""
    rows = [(s, f) for s in surveys for f in s.readable() if f.phash and f.spread >= 1]
    return Hashed(
        rows,
        np.array([int(f.phash, 16) for _, f in rows], np.uint64),
        np.array([list(bytes.fromhex(f.thumbnail)) for _, f in rows], np.float32).reshape(-1, 256),
        [f.digest for _, f in rows],
    )


def like_pairs(hashed: Hashed) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows, the smaller first, of images that are equal or nearly so."""
    num = len(hashed.rows)
    near = _near_in_all if num <= _EXHAUSTIVE else _near_in_parts
    for one, others in near(hashed.hashes):
        for other in others[_are_like(hashed.thumbnails[one], hashed.thumbnails[others])]:
            yield one, int(other)


def _are_like(one: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Compare a thumbnail (256,) with some (M, 256), after a line was fitted to each: (M,) bool."""
    shift = others.mean(axis=1) - one.mean()
    own, rest = one - one.mean(), others - others.mean(axis=1, keepdims=True)
    gain = np.clip(rest @ own / max(float(own @ own), 1.0), *GAINS)
    residue = np.abs(rest - gain[:, None] * own).mean(axis=1)
    return np.asarray((residue <= MAX_RESIDUE) & (np.abs(shift) <= MAX_SHIFT))


def _near_in_all(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each row with the later rows whose hashes differ in few bits."""
    for start in range(0, len(hashes), _CHUNK):
        block = hashes[start : start + _CHUNK, None]
        is_near = np.bitwise_count(block ^ hashes[None, start:]) <= MAX_BITS
        for offset in range(len(block)):
            later = np.flatnonzero(is_near[offset, offset + 1 :])
            if len(later):
                yield start + offset, later + start + offset + 1


def _near_in_parts(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Do the same with those rows that agree in one of four parts of the hash."""
    found: dict[int, set[int]] = defaultdict(set)
    for part in range(4):
        keys = (hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        ends = np.flatnonzero(np.diff(keys[order])) + 1
        for rows in np.split(order, ends):
            for position, one in enumerate(rows[:-1]):
                later = rows[position + 1 :]
                near = later[np.bitwise_count(hashes[later] ^ hashes[one]) <= MAX_BITS]
                found[int(one)].update(near.tolist())
    for one in sorted(found):
        if found[one]:
            yield one, np.array(sorted(found[one]), np.int64)


def _cut_drives(real: Survey, test: Survey) -> Iterator[Problem]:
    """Yield drives (equal names but for the number) with neighbouring frames on both sides."""
    frames = [_by_drive(survey) for survey in (real, test)]
    for drive in sorted(frames[0].keys() & frames[1].keys()):
        own, others = frames[0][drive], frames[1][drive]
        if own.keys() & others.keys():
            continue  # numbered independently of each other
        if min(len(own), len(others)) < MIN_FRAMES:
            continue
        is_named = any(c.isdigit() for c in drive)  # a recording, not just "frame_*"
        if not is_named and np.median(_neighbour_bits(own, others)) > DRIVE_BITS:
            continue
        message = (
            f"{real.name} ({real.side}) and {test.name} ({test.side}) hold frames of "
            f"one drive ({drive}: {len(own):,} and {len(others):,}), which look "
            "alike. What is measured on the test images will be too good: split by drive."
        )
        yield make_problem("leakage", message)


def _by_drive(survey: Survey) -> dict[str, dict[int, int]]:
    """Map the name of each drive to its frames: number -> hash."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for facts in survey.readable():
        *folders, name = facts.image_path.split("/")
        stem = name.rpartition(".")[0]
        match = _NUMBER.search(stem)
        if match and facts.phash:
            own = "/".join(folder for folder in folders[1:] if folder.lower() not in SPLITS)
            drive = f"{own}/{stem[: match.start()]}*{stem[match.end() :]}".lstrip("/")
            found[drive][int(match[0])] = int(facts.phash, 16)
    return found


def _neighbour_bits(own: dict[int, int], others: dict[int, int]) -> list[int]:
    """Count the differing bits between each frame of the other side and the nearest of this one."""
    numbers = np.array(sorted(own))
    bits = []
    for number, other in others.items():
        nearest = int(numbers[np.abs(numbers - number).argmin()])
        bits.append((own[nearest] ^ other).bit_count())
    return bits


def group_repeats(survey: Survey) -> list[list[str]]:
    """Put images that are equal or nearly so into groups, through others if need be.

    Returns
    -------
    groups : list of list of str
        Paths of at least two images each, in the order of the survey.
    """
    hashed = gather_hashed([survey])
    first = list(range(len(hashed.rows)))

    def find(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    for one, other in like_pairs(hashed):
        low, high = sorted((find(one), find(other)))
        first[high] = low
    groups: dict[int, list[str]] = defaultdict(list)
    for row, (_, facts) in enumerate(hashed.rows):
        groups[find(row)].append(facts.image_path)
    return [paths for paths in groups.values() if len(paths) > 1]
