from __future__ import annotations

import os
import signal
import time
from functools import partial
from types import SimpleNamespace

import pytest

from curate.cluster import ray_pool
from curate.cluster.ray_cluster import Cluster
from curate.cluster.ray_pool import do_parts
from curate.errors import RunError, StoreError


@pytest.fixture
def nodes():
    """A cluster of two nodes of one CPU each, on this machine; nothing else runs on the head."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster as Local

    local = Local(initialize_head=True, head_node_args={"num_cpus": 0})
    added = [local.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=local.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield local, added
    finally:
        ray.shutdown()
        local.shutdown()


def make_work(folder, number, tell):
    """Note each try; part 2 may be told to fail or to kill its worker."""
    tries = len(list(folder.glob(f"try-{number}-*")))
    (folder / f"try-{number}-{tries}").touch()
    tell(5)
    deadline = time.monotonic() + 60
    while (folder / f"hold-{number}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    if (folder / f"kill-{number}").exists() and tries == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"fail-{number}").exists() and tries < int(
        (folder / f"fail-{number}").read_text()
    ):
        msg = f"the disk is full at part {number}"
        raise StoreError(msg)
    tell(10)
    return number * number


def worker(folder):
    """Make what each worker prepares."""
    return partial(partial, make_work, folder)


def tries_of(folder, number):
    return len(list(folder.glob(f"try-{number}-*")))


@pytest.mark.ray
@pytest.mark.slow
def test_all_parts_are_done_by_both_nodes(nodes, tmp_path):
    told = []
    done = do_parts(range(1, 7), worker(tmp_path), Cluster(), lambda *now: told.append(now))
    assert done.results == {n: n * n for n in range(1, 7)}
    assert done.failures == {}
    assert told[-1][0] == 60
    assert sum(done.nodes.values()) == 60


@pytest.mark.ray
@pytest.mark.slow
def test_part_whose_worker_is_killed_is_done_by_another(nodes, tmp_path):
    (tmp_path / "kill-2").touch()
    done = do_parts(range(1, 4), worker(tmp_path), Cluster(), lambda *_: None)
    assert done.results == {1: 1, 2: 4, 3: 9}
    assert [tries_of(tmp_path, n) for n in (1, 2, 3)] == [1, 2, 1]


@pytest.mark.ray
@pytest.mark.slow
def test_parts_of_a_node_that_goes_are_done_elsewhere_and_a_late_node_helps(nodes, tmp_path):
    local, added = nodes
    late = []
    for number in (1, 2):
        (tmp_path / f"hold-{number}").touch()

    def disturb(*_):
        if not late and all(tries_of(tmp_path, n) for n in (1, 2)):
            local.remove_node(added[0], allow_graceful=False)
            late.append(local.add_node(num_cpus=1))
            for path in tmp_path.glob("hold-*"):
                path.unlink()

    done = do_parts(range(1, 9), worker(tmp_path), Cluster(), disturb)
    assert done.results == {n: n * n for n in range(1, 9)}
    assert late
    assert sorted(tries_of(tmp_path, n) for n in (1, 2)) == [1, 2]
    assert [tries_of(tmp_path, n) for n in range(3, 9)] == [1] * 6


@pytest.mark.ray
@pytest.mark.slow
def test_part_that_fails_for_a_reason_of_its_own_is_tried_three_times(nodes, tmp_path):
    (tmp_path / "fail-1").write_text("9")
    (tmp_path / "fail-2").write_text("2")
    done = do_parts(range(1, 5), worker(tmp_path), Cluster(), lambda *_: None)
    assert done.results == {2: 4, 3: 9, 4: 16}
    assert done.failures == {1: "the disk is full at part 1"}
    assert [tries_of(tmp_path, n) for n in (1, 2, 3)] == [3, 3, 1]


def refuse():
    msg = "there is no run"
    raise StoreError(msg)


@pytest.mark.ray
@pytest.mark.slow
def test_worker_that_cannot_be_prepared_ends_the_work(nodes):
    with pytest.raises(RunError, match="there is no run"):
        do_parts([1], refuse, Cluster(), lambda *_: None)


def test_units_are_known_from_before_where_nobody_can_be_asked():
    class GoneError(Exception):
        pass

    answers = [{1: ("a", 3)}, GoneError, {1: ("a", 4), 2: ("b", 2)}, GoneError]

    def get(ref, timeout):
        found = answers.pop(0)
        if found is GoneError:
            raise GoneError
        return found

    pool = object.__new__(ray_pool._Pool)
    pool.ray = SimpleNamespace(exceptions=SimpleNamespace(RayError=GoneError), get=get)
    pool._board = SimpleNamespace(read=SimpleNamespace(remote=lambda: None))
    pool._told = {}
    told = [dict(pool.count_done()) for _ in range(4)]
    assert told == [{"a": 3}, {"a": 3}, {"a": 4, "b": 2}, {"a": 4, "b": 2}]


def test_part_shuns_the_nodes_it_failed_on_and_is_given_up_in_time():
    part = ray_pool._Part(1)
    assert [part.note("a", is_own=True) for _ in range(3)] == [False, False, True]
    assert part.nodes == {"a"}
    lost = ray_pool._Part(1)
    assert [lost.note("a", is_own=False) for _ in range(10)] == [False] * 9 + [True]
    assert lost.nodes == set()
