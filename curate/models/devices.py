"""Where and how precisely to compute, and what to say where the memory there is too small."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from curate import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

BFLOAT16_CAPABILITY: Final = (8, 0)
"""GPUs from this capability on compute in bfloat16; older ones only pretend to, slowly."""
MAX_READERS: Final = 16


@dataclass(frozen=True, slots=True)
class Device:
    """Where and how precisely to compute.

    Attributes
    ----------
    device : torch.device
        A GPU with its number: threads begin with the first one as theirs.
    use_bfloat16 : bool
    """

    device: torch.device
    use_bfloat16: bool

    def autocast(self) -> torch.autocast:
        """Context in which segmenters run."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.use_bfloat16, cache_enabled=True
        )

    @property
    def precision(self) -> str:
        """Name what segmenters compute with, TF32 where that is what float32 means."""
        if self.use_bfloat16:
            return "bfloat16"
        is_cuda = self.device.type == "cuda"
        if is_cuda and torch.backends.cudnn.allow_tf32 and _capability() >= BFLOAT16_CAPABILITY:
            return "float32, in convolutions TF32"
        return "float32"

    def enter_thread(self) -> None:
        """Make the calling thread compute on one core, and on this GPU."""
        torch.set_num_threads(1)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)


def choose_device(name: str, precision: str) -> Device:
    """Choose device and precision.

    Parameters
    ----------
    name : str
        ``auto`` takes a GPU where there is one: the current one, which is this process's own under
        ``torchrun``.
    precision : str
        ``auto`` is bfloat16 on GPUs that compute in it, float32 elsewhere.

    Raises
    ------
    ConfigError
        If there is no GPU and one is asked for.
    """
    if name == "cuda" and not torch.cuda.is_available():
        msg = "device = 'cuda' was asked for, but torch sees no CUDA device. Use 'auto' or 'cpu'."
        raise errors.ConfigError(msg)
    if name == "cpu" or not torch.cuda.is_available():
        return Device(torch.device("cpu"), precision == "bfloat16")
    is_able = precision == "auto" and _capability() >= BFLOAT16_CAPABILITY
    here = torch.device("cuda", torch.cuda.current_device())
    return Device(here, precision == "bfloat16" or is_able)


@contextmanager
def memory_errors(device: torch.device, task: str, advice: str) -> Iterator[None]:
    """Say in one message where the memory was too small for a task, and what to do.

    Parameters
    ----------
    task : str
        As in ``ran out of memory with batches of 8``.
    advice : str
        A sentence.

    Raises
    ------
    RunError
        In place of what torch raises.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is of the first kind
        if not (isinstance(error, torch.OutOfMemoryError) or errors.is_out_of_memory(error)):
            raise
        msg = f"{device} ran out of memory {task}. {advice}"
        raise errors.RunError(msg) from error


def count_readers(device: torch.device) -> int:
    """Choose how many processes read for one that computes.

    None beside a CPU, which they would slow; beside a GPU one a core, at most `MAX_READERS`. The
    processes of a job on this machine share its cores.
    """
    if device.type == "cpu":
        return 0
    has_affinity = hasattr(os, "sched_getaffinity")
    num_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    num_sharing = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MAX_READERS, num_cores // num_sharing))


def _capability() -> tuple[int, int]:
    """Capability of the current GPU."""
    major, minor = torch.cuda.get_device_capability()
    return major, minor
