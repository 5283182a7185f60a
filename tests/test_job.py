import pytest

from curate.job import ALONE, World, this_process

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
