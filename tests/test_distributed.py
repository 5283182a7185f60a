import json

import pytest
import torch
import torch.distributed as dist

from curate import distributed, job
from curate.distributed import (
    _is_broken_link,
    alone,
    any_rank,
    barrier,
    broadcast_object,
    by_first_rank,
    claim_failure,
    gather_objects,
    init_distributed,
    mean_over_ranks,
    stack_ranks,
    sum_gradients,
    sum_over_ranks,
)
from curate.errors import ConfigError, RunError
from tests.ranks import Ranks
from tests.torchrun import run_job

PROGRAM = """
import json, sys
import torch
from curate.distributed import *
from curate.distributed import _job
from curate.errors import RunError

told = {}
for _ in range(2):  # a world can be opened again
    with init_distributed("cpu") as world, init_distributed("cpu") as same:
        rank = world.rank
        weight = torch.nn.Parameter(torch.zeros(2))
        weight.grad = torch.tensor([1.0, rank])
        sum_gradients([weight, torch.nn.Parameter(torch.zeros(1))])
        given = torch.tensor([rank + 1])
        told = {
            "same": same == world,
            "sum": sum_over_ranks(given).tolist(),
            "given": given.tolist(),
            "mean": mean_over_ranks(
                torch.tensor([0.0, rank, 9.0]), torch.tensor([True, rank > 0, False])
            ).item(),
            "stack": stack_ranks(torch.tensor([rank])).tolist(),
            "gradient": weight.grad.tolist(),
            "any": [any_rank(rank == 1), any_rank(False)],
            "broadcast": broadcast_object({"rank": rank, "tensor": torch.ones(1).tolist()}),
            "gather": gather_objects(rank),
            "first": by_first_rank(lambda own: [own, sum_over_ranks(torch.ones(1)).item()])(rank),
        }
        barrier()
sys.stdout.write(json.dumps({"rank": rank, "told": told}) + "\\n")
sys.stdout.flush()
try:
    with init_distributed("cpu") as world:
        if rank == 1:
            raise RunError("the second is ill")
        barrier()
except RunError as error:
    line = {"rank": rank, "error": str(error), "reports": [claim_failure(), claim_failure()]}
    sys.stdout.write(json.dumps(line) + "\\n")
"""


@pytest.mark.slow
def test_two_processes_talk_and_the_one_that_failed_first_says_why(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run_job(tmp_path, "program.py")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = {line["rank"]: line["told"] for line in lines if "told" in line}
    assert told[0] == {
        "same": True,
        "sum": [3],
        "given": [1],
        "mean": pytest.approx(1 / 3),  # of 0, and of 0 and 1
        "stack": [[0], [1]],
        "gradient": [2.0, 1.0],
        "any": [True, False],
        "broadcast": {"rank": 0, "tensor": [1.0]},
        "gather": [0, 1],
        "first": [0, 1.0],
    }
    assert told[1] == told[0] | {"given": [2]}
    errors = {line["rank"]: line for line in lines if "error" in line}
    assert errors[1]["error"] == "the second is ill"
    assert errors[0]["error"].startswith("Another process of this job ended while process 0 of 2")
    assert [errors[rank]["reports"] for rank in (0, 1)] == [[False] * 2, [True] * 2]


def test_without_torchrun_nothing_is_opened_and_everything_is_given_back():
    with init_distributed("auto") as world:
        assert world.is_alone
        assert not dist.is_initialized()
        tensor = torch.tensor([1.0, 3.0])
        assert sum_over_ranks(tensor) is tensor
        assert mean_over_ranks(tensor, torch.tensor([True, True])) == 2
        assert mean_over_ranks(tensor, torch.tensor([False, True])) == 3
        assert mean_over_ranks(tensor, torch.tensor([False, False])).isnan()
        assert stack_ranks(tensor).tolist() == [[1.0, 3.0]]
        value = object()
        assert broadcast_object(value) is value
        assert gather_objects(value) == [value]
        assert by_first_rank(lambda: value)() is value
        assert (any_rank(True), any_rank(False)) == (True, False)
        sum_gradients([torch.nn.Parameter(tensor)])
        barrier()
        assert claim_failure()


@pytest.mark.parametrize(
    ("text", "is_broken"),
    [
        ("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:27535", True),
        ("NCCL error: remote process exited or there was a network error", True),
        ("ncclRemoteError: A call failed possibly due to a network error", True),
        ("NCCL error: unhandled cuda error 'out of memory'", False),
        ("Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 4000 (NCCL)", False),
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", False),
    ],
)
def test_a_lost_connection_is_told_from_a_bug(text, is_broken):
    assert _is_broken_link(RuntimeError(text)) == is_broken
    assert _is_broken_link(dist.DistError(text)) == (is_broken or "mat1" in text)


def test_what_nccl_says_is_passed_on(monkeypatch):
    monkeypatch.setattr(job, "this_process", lambda: job.World(1, 2, 1))
    monkeypatch.setattr(distributed, "_connect", lambda *_: None)
    monkeypatch.setattr(distributed, "claim_failure", lambda: True)
    text = "NCCL error in: x.cpp:42, invalid usage.\nLast error:\nDuplicate GPU detected"
    with (
        pytest.raises(
            RunError, match=r"process 1 of 2: NCCL error in: x\.cpp:42, invalid usage\. E"
        ),
        init_distributed("cpu"),
    ):
        raise dist.DistBackendError(text)


def test_what_one_does_alone_is_not_shared(monkeypatch):
    def work(rank):
        shared = sum_over_ranks(torch.tensor(1))
        return shared.item()

    def work_alone(_):
        with alone():
            return sum_over_ranks(torch.tensor(1)).item()

    assert Ranks(monkeypatch).run(work) == [2, 2]
    assert Ranks(monkeypatch, size=1).run(work_alone) == [1]


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    for name, value in {"RANK": "2", "WORLD_SIZE": "3", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"2 are visible.*at most 2"), init_distributed("auto"):
        pass
