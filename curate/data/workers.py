"""Processes that read images beside the computation."""

from __future__ import annotations

import ast
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.utils.data import DataLoader, Dataset

from curate.errors import RunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

logger = logging.getLogger(__name__)

_ITEM_BYTES: Final = 64 * 2**20
"""More than a batch of usual size takes."""
_NUM_PREFETCHED: Final = 2
"""Items that each worker reads ahead."""
_DEATH_MESSAGES: Final = ("exited unexpectedly", "is killed by signal")
"""Parts of what PyTorch raises when a worker process has ended by itself."""


def load_ahead(
    dataset: Dataset[Any], keys: Iterable[Any], *, workers: int, pin_memory: bool = False
) -> Generator[Any]:
    """Yield ``dataset[key]`` in the order of the keys, read ahead of time by processes.

    The processes end with the generator.

    Parameters
    ----------
    dataset : Dataset
        Can be pickled, if there are workers.
    keys : iterable
        Of any kind; may be without end.
    workers : int
        Processes; 0 reads in this one, when asked.
    pin_memory : bool
        Whether tensors are put into page-locked memory, where there is a GPU.
    """
    free, needed = _shared_free(), workers * _NUM_PREFETCHED * _ITEM_BYTES
    if free < needed:  # a reader that finds none left never comes back
        logger.warning(
            "/dev/shm has %d MiB free, but %d processes that read need %d: images are read in this "
            "process. Give a container more with --shm-size or --ipc=host.",
            *(free >> 20, workers, needed >> 20),
        )
        workers = 0
    if workers:
        refuse_unguarded_script()
    with warnings.catch_warnings():  # more workers than cores can be right for a slow disk
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=keys,
            collate_fn=_as_is,
            num_workers=workers,
            worker_init_fn=_begin_worker,
            prefetch_factor=_NUM_PREFETCHED if workers else None,
            pin_memory=pin_memory and torch.cuda.is_available(),
            multiprocessing_context=_start_method(dataset) if workers else None,
        )
    yield from loader


def _start_method(dataset: Dataset[Any]) -> str:
    """Name how workers are started; threads of this process rule out that they are its forks.

    They are forks of a process that has imported what they need, once for all, and does nothing
    else; it ends with this one. Ctrl-C in a terminal, and ``torchrun`` when it is told to stop,
    signal all processes: those never get it, while this one needs them for its last batch.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    multiprocessing.set_forkserver_preload([__name__, type(dataset).__module__])
    resource_tracker.ensure_running()  # when it starts, it lets signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return "forkserver"


def refuse_unguarded_script() -> None:
    """Refuse to start processes for a script that they would run again from its beginning.

    A process that is started imports the program's main file first.

    Raises
    ------
    UsageError
        If the work is called for by a line of that file outside of ``if __name__ == ..``.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename != script:
        frame = frame.f_back  # type: ignore[assignment]
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or script is None or frame.f_globals.get("__name__") != "__main__":
        return
    try:
        tree = ast.parse(Path(script).read_bytes())
    except (OSError, ValueError, SyntaxError):
        return
    for node in tree.body:
        is_here = node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
        if is_here and not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)):
            msg = (
                f"line {frame.f_lineno} of {script} asks for work in several processes, each of "
                "which would run the script from its beginning. Put what it does under a line "
                "if __name__ == '__main__': (or take workers = 0)."
            )
            raise UsageError(msg)


def _shared_free() -> int:
    """Count the bytes of shared memory that are free, where that can be told."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return 1 << 62


@contextmanager
def worker_errors() -> Iterator[None]:
    """Turn PyTorch's error about a worker that was killed into a `RunError` with advice.

    It comes up when the next item is waited for; where workers are not forked, in a signal handler,
    and so anywhere in the main thread.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(note in str(error) for note in _DEATH_MESSAGES):
            raise
        msg = (
            "A process that read images was ended by the system, most likely for want of memory. "
            "What is saved is kept: fit, score and compare go on with --resume, and with fewer "
            "--workers."
        )
        raise RunError(msg) from error


def _as_is(item: Any) -> Any:  # noqa: ANN401
    """Collate nothing: items are complete."""
    return item


def _begin_worker(_: int) -> None:
    """Leave Ctrl-C and SIGTERM, which may come to all, to the main process; end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end when the one that asked for it is gone, killed perhaps."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:  # noqa: ANN401
    """Wait for the end of the parent, and leave: what is saved is gone on with."""
    parent.join()
    os._exit(1)
