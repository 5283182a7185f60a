import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.job import ALONE, Shard, World, parse_shard, this_process

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def torchrun(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)


def test_environment_of_torchrun_tells_the_process(torchrun):
    assert this_process() == World(rank=5, size=8, local_rank=1)
    assert not this_process().is_first
    assert not this_process().is_alone


@pytest.mark.parametrize("name", TORCHRUN)
def test_without_all_of_it_a_process_is_alone(torchrun, monkeypatch, name):
    monkeypatch.delenv(name)
    assert this_process() == ALONE
    assert ALONE.is_first
    assert ALONE.is_alone


def test_a_job_of_one_process_is_none(torchrun, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert this_process() == ALONE


@given(st.integers(0, 50), st.integers(1, 12))
def test_parts_make_up_the_whole_in_order(total, count):
    items = list(range(total))
    parts = [Shard(number, count).of(items) for number in range(1, count + 1)]
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_wrong_spelling_is_told_the_right_one(text):
    with pytest.raises(UsageError, match=r"1/8, 2/8, \.\. 8/8"):
        parse_shard(text)
