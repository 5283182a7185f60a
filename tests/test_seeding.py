from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.seeding import split_blocks, stable_rng, stable_seed


def test_seed_is_the_same_in_every_process():
    code = "from curate.seeding import stable_seed; print(stable_seed(3, 'image', 7))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": salt, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert answers == {f"{stable_seed(3, 'image', 7)}\n"}


def test_seed_never_changes_between_versions():
    # sha256sum of 0, the unit separator and a begins so; runs made earlier must stay reproducible.
    assert stable_seed(0, "a") == 0xEF2C_25EF_33CA_6BEC >> 1


def test_parts_do_not_run_into_each_other():
    assert stable_seed("ab", "c") != stable_seed("a", "bc")
    assert stable_seed(1, 23) != stable_seed(12, 3)


def test_seed_fits_a_signed_64_bit_integer():
    seeds = [stable_seed(n) for n in range(200)]
    assert min(seeds) >= 0
    assert 2**61 < max(seeds) < 2**63


def test_draws_depend_on_what_they_are_for_only():
    first = stable_rng(0, "image", 5).random(3)
    stable_rng(0, "image", 4).random(100)
    np.testing.assert_array_equal(stable_rng(0, "image", 5).random(3), first)
    assert not np.array_equal(stable_rng(1, "image", 5).random(3), first)


def test_neighbours_stay_together():
    ids = [f"{n:03d}" for n in range(40)]
    groups = split_blocks(ids, num_groups=4, seed=0)
    in_order = [groups[name] for name in sorted(ids)]
    changes = sum(a != b for a, b in itertools.pairwise(in_order))
    assert changes <= 7  # 8 blocks of 5 frames


def test_split_does_not_depend_on_the_order_of_the_ids():
    ids = [f"{n:03d}" for n in range(11)]
    assert split_blocks(ids, num_groups=3, seed=1) == split_blocks(ids[::-1], num_groups=3, seed=1)


def test_another_seed_deals_the_blocks_otherwise():
    ids = [f"{n:03d}" for n in range(40)]
    splits = {tuple(split_blocks(ids, num_groups=4, seed=seed).values()) for seed in range(5)}
    assert len(splits) > 1


def test_nothing_to_split_gives_no_groups():
    assert split_blocks([], num_groups=4, seed=0) == {}


@pytest.mark.parametrize("num_groups", [1, 2, 4])
@given(count=st.integers(1, 30), seed=st.integers(0, 5))
def test_no_group_is_empty_while_there_are_enough_ids(num_groups, count, seed):
    ids = [str(n) for n in range(count)]
    groups = split_blocks(ids, num_groups=num_groups, seed=seed)
    assert sorted(groups) == sorted(ids)
    assert len(set(groups.values())) == min(num_groups, count)
    assert set(groups.values()) <= set(range(num_groups))
