"""Several processes as one: ``torch.distributed`` under ``torchrun``, and nothing without it.

Inside `init_distributed` the functions below exchange values with the other processes; outside of
it, in a process that is alone, and inside `alone`, they return what they are given. Every process
must call the same ones in the same order. Sums are the same on every process to the last bit.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, cast

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from curate import errors, job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT: Final = timedelta(days=30)
"""How long to wait for the others, which may read for hours; one that dies is noticed at once."""

STORE_TIMEOUT: Final = timedelta(seconds=10)
_BROKEN_LINK: Final = (
    "gloo",
    "remote process exited",  # what NCCL says; its other errors are of this machine or its set-up
    "ncclremoteerror",
    "connection closed by peer",
    "connection reset by peer",
    "broken pipe",
)


@dataclass
class _Job:
    """The job that this process takes part in, and how often it has joined one."""

    world: job.World = field(default_factory=job.World)
    opened: int = 0
    reports: bool | None = None


_job = _Job()


@contextmanager
def init_distributed(device: str) -> Iterator[job.World]:
    """Join the processes that ``torchrun`` started; calls may be nested.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu`` or ``cuda``; with CUDA the GPU numbered `World.local_rank` becomes the
        current one. CPU tensors are sent by gloo, those on a GPU by NCCL.

    Yields
    ------
    world : World

    Raises
    ------
    ConfigError
        If this machine has fewer GPUs than processes.
    RunError
        If another process ends while it is waited for, or NCCL fails.
    """
    process = job.this_process()
    if process.is_alone or not _job.world.is_alone:
        yield _job.world
        return
    uses_cuda = device != "cpu" and torch.cuda.is_available()
    if uses_cuda:
        _choose_gpu(process)
    has_ended_well = False
    try:
        _connect(process, "cpu:gloo,cuda:nccl" if uses_cuda else "gloo")
        yield process
        has_ended_well = True
    except RuntimeError as error:
        if not _is_broken_link(error):
            if "nccl" not in str(error).lower():
                raise
            claim_failure()
            msg = (
                f"NCCL, by which GPUs exchange gradients, failed in process {process.rank} of "
                f"{process.size}: {_first_line(error)} Each process needs a GPU of its own with "
                "memory to spare; NCCL_DEBUG=INFO tells more. fit and score go on with --resume."
            )
            raise errors.RunError(msg) from error
        claim_failure()
        msg = (
            f"Another process of this job ended while process {process.rank} of {process.size} "
            "waited for it. What is saved is kept: fit and score go on with --resume."
        )
        raise errors.RunError(msg) from error
    except errors.CurateError:
        claim_failure()  # before the others see the connection close
        raise
    finally:
        _job.world = job.World()
        if dist.is_initialized() and (has_ended_well or not uses_cuda):  # NCCL waits for the dead
            dist.destroy_process_group()


@contextmanager
def alone() -> Iterator[None]:
    """Make the functions below return what they are given: for what one process does by itself."""
    world, _job.world = _job.world, job.World()
    try:
        yield
    finally:
        _job.world = world


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Add up a tensor over the processes; not part of any graph.

    Parameters
    ----------
    tensor : Tensor
        Numbers, no booleans; the same shape and dtype in every process. Left as it is.
    """
    if _job.world.is_alone:
        return tensor
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def mean_over_ranks(values: Tensor, counted: Tensor) -> Tensor:
    """Average the elements of all processes' tensors that count (bool); NaN if there are none.

    No shape depends on how many they are: a GPU would have to be waited for.
    """
    kept = torch.where(counted, values, 0.0)
    total, count = sum_over_ranks(torch.stack([kept.sum(), counted.sum().to(kept)]))
    mean: Tensor = total / count
    return mean


def stack_ranks(tensor: Tensor) -> Tensor:
    """Put the tensors of all processes side by side, (...) to (size, ...), in order of rank."""
    if _job.world.is_alone:
        return tensor[None]
    parts = [torch.empty_like(tensor) for _ in range(_job.world.size)]
    dist.all_gather(parts, tensor.contiguous())
    return torch.stack(parts)


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace the gradients, of the same parameters in every process, by their sums."""
    if _job.world.is_alone:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    total = sum_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, part in zip(gradients, torch.split(total, sizes), strict=True):
        gradient.copy_(part.view_as(gradient))


def any_rank(flag: bool) -> bool:
    """Tell whether a flag is set in any process."""
    return bool(sum_over_ranks(torch.tensor(int(flag))).item())


def broadcast_object(value: T) -> T:
    """Return the value that the first process gives; tensors in it must lie on the CPU."""
    return value if _job.world.is_alone else _broadcast_from(0, value)


def gather_objects(value: T) -> list[T]:
    """Return the values of all processes in order of rank; tensors must lie on the CPU."""
    if _job.world.is_alone:
        return [value]
    return [_broadcast_from(rank, value) for rank in range(_job.world.size)]


def by_first_rank(function: Callable[P, T]) -> Callable[P, T]:
    """Let the first process alone call a function, and return its result in all of them.

    Nothing goes on anywhere before it is done. An error in it is raised in the first process;
    the others end with the `RunError` of `init_distributed`.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if _job.world.is_alone:
            return function(*args, **kwargs)
        result: T | None = None
        if _job.world.is_first:
            with alone():
                result = function(*args, **kwargs)
        return cast("T", broadcast_object(result))

    return call


def barrier() -> None:
    """Wait until every process is here."""
    sum_over_ranks(torch.zeros(1))


def claim_failure() -> bool:
    """Tell whether this process is to report why the job failed: the first one that asks is.

    The others fail for the same reason, or because that one did. Where it cannot be found out
    every process reports. The answer of a process never changes.
    """
    process = job.this_process()
    if process.is_alone:
        return True
    if _job.reports is None:
        try:
            store, _, _ = next(rendezvous("env://", timeout=STORE_TIMEOUT))
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            _job.reports = store.add(f"curate/failures/{attempt}", 1) == 1
        except (RuntimeError, ValueError, OSError):
            _job.reports = True
    return _job.reports


def _choose_gpu(process: job.World) -> None:
    """Take the GPU of this process."""
    count = torch.cuda.device_count()
    if process.local_rank >= count:
        msg = (
            f"Process {process.local_rank} of this machine has no GPU: {count} are visible, and "
            f"each process needs its own. Start at most {count} with --nproc-per-node."
        )
        raise errors.ConfigError(msg)
    torch.cuda.set_device(process.local_rank)


def _connect(process: job.World, backend: str) -> None:
    """Open the process group."""
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    prefix = f"curate/{_job.opened}"  # apart from what an earlier group left in the store
    dist.init_process_group(
        backend,
        store=dist.distributed_c10d.PrefixStore(prefix, store),
        rank=process.rank,
        world_size=process.size,
        timeout=TIMEOUT,
    )
    _job.opened += 1
    _job.world = process


def _broadcast_from(rank: int, value: T) -> T:
    """Return the value of one process."""
    box = [value]
    dist.broadcast_object_list(box, src=rank, device=torch.device("cpu"))
    return box[0]


def _is_broken_link(error: RuntimeError) -> bool:
    """Tell whether an error comes from the connection to another process."""
    text = str(error).lower()
    is_lost = isinstance(error, dist.DistError) and "nccl" not in text
    return is_lost or any(sign in text for sign in _BROKEN_LINK)


def _first_line(error: Exception) -> str:
    """Cut an error off after its first line, and end it as a sentence."""
    return f"{str(error).strip().splitlines()[0].rstrip('. ')}."
