"""Random numbers that depend on what is drawn, never on what was drawn before.

Every draw is keyed by the seed and the thing it is for (a step, an image, an epoch), so that an
interrupted program continues with the very numbers that it would have drawn.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def stable_seed(*parts: str | int) -> int:
    """Hash `parts` to a seed in [0, 2**63), the same on every machine and in every process."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stable_rng(*parts: str | int) -> np.random.Generator:
    """Return a generator seeded by `stable_seed`."""
    return np.random.default_rng(stable_seed(*parts))


def split_blocks(ids: Sequence[str], *, num_groups: int, seed: int) -> dict[str, int]:
    """Assign every id to one of `num_groups` groups, in blocks of neighbours.

    Frames of a drive look like the frames before and after them, so a split at random leaks.
    The sorted ids are cut into 2 blocks a group (fewer if there are few ids), and whole blocks
    are assigned to the groups in a seeded order.

    Returns
    -------
    groups : dict of str to int
        Group of each id, 0 .. num_groups-1; no group is empty while there are enough ids.
    """
    ordered = sorted(ids)
    num_blocks = min(len(ordered), 2 * num_groups)
    if num_blocks < 2 * num_groups:
        num_blocks = min(len(ordered), num_groups)
    order = stable_rng(seed, "blocks").permutation(num_blocks)
    groups = {}
    for block, members in enumerate(np.array_split(np.arange(len(ordered)), max(num_blocks, 1))):
        for member in members:
            groups[ordered[member]] = int(order[block]) % num_groups
    return groups
