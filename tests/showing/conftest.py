from __future__ import annotations

import pytest

from tests.showing.making import opened, write_set

SCORES = {"a": 0.1, "b": 0.9, "c": 0.4, "d": 0.7, "e": 0.2, "f": 0.6}


@pytest.fixture
def scores(tmp_path):
    """Six scored images and one without a score."""
    return write_set(tmp_path, "city", SCORES, failed=["z"])


@pytest.fixture
def sets(scores):
    return opened(scores)


@pytest.fixture
def two_sets(tmp_path):
    """Images a and b of one set, c and d of another."""
    one = write_set(tmp_path, "one", {"a": 0.1, "b": 0.8})
    other = write_set(tmp_path, "other", {"c": 0.3, "d": 0.6}, seed=1)
    return opened(one, other)
