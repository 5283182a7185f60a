"""Processes that read images beside the computation."""

from __future__ import annotations

import signal
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.utils.data import DataLoader

from curate.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch.utils.data import Dataset

_PREFETCHED: Final = 2
_DEATH_NOTES: Final = ("exited unexpectedly", "is killed by signal")
"""What PyTorch says of a reader that ended without being asked to."""


def load_ahead(
    dataset: Dataset[Any], keys: Iterable[Any], *, workers: int, pin_memory: bool = False
) -> Iterator[Any]:
    """Yield ``dataset[key]`` in the order of the keys, read ahead of time by processes.

    Parameters
    ----------
    dataset : Dataset
        Can be pickled, if there are workers.
    keys : iterable
        Of any kind; may be without end.
    workers : int
        Processes; 0 reads in this one, when asked.
    pin_memory : bool
        Whether tensors lie where a GPU copies them from fastest; without a GPU, nothing changes.
    """
    with warnings.catch_warnings():  # more workers than cores can be right for a slow disk
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=keys,
            collate_fn=_as_is,
            num_workers=workers,
            worker_init_fn=_begin_worker,
            prefetch_factor=_PREFETCHED if workers else None,
            pin_memory=pin_memory and torch.cuda.is_available(),
            multiprocessing_context="spawn" if workers else None,  # threads rule out forking
        )
    yield from loader


@contextmanager
def telling_of_dead_workers() -> Iterator[None]:
    """Turn PyTorch's error about a reader that was killed into a `RunError` with advice.

    It is raised by a signal handler, so that it can come up anywhere in the main thread.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(note in str(error) for note in _DEATH_NOTES):
            raise
        msg = (
            "A process that read images was ended by the system, most likely for want of memory. "
            "What is saved is kept: go on with --resume, with fewer --workers."
        )
        raise RunError(msg) from error


def _as_is(item: Any) -> Any:  # noqa: ANN401
    """Collate nothing: items are complete."""
    return item


def _begin_worker(_: int) -> None:
    """Use one core, and leave Ctrl-C and SIGTERM, which may come to all, to the main process."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
