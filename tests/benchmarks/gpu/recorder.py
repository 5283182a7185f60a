"""A reporter that keeps when what was done, and how busy the GPU was meanwhile."""

from __future__ import annotations

import threading
import time
from statistics import mean

import torch


class Recorder:
    """Takes what a command reports, and watches the GPU in a thread until `stop`."""

    def __init__(self, *, watches: bool) -> None:
        self.task = ""
        self.times: dict[str, list[tuple[int, float]]] = {}
        self.use: list[tuple[float, int]] = []
        self._stopped = threading.Event()
        if watches:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._stopped.wait(0.2):
            try:
                self.use.append((time.monotonic(), torch.cuda.utilization()))
            except (RuntimeError, ImportError):  # without NVML
                return

    def start(self, task, total, done=0, *, unit="images") -> None:
        """Note when a task begins."""
        self.task = task
        self.times.setdefault(task, []).append((done, time.monotonic()))

    def advance(self, done, values=None) -> None:
        """Note when so much of it is done."""
        self.times[self.task].append((done, time.monotonic()))

    def warn(self, message) -> None:
        """Show a warning."""
        print(f"      warning: {message}", flush=True)

    def note(self, message) -> None:
        """Show what was seen."""
        print(f"      {message}", flush=True)

    def finish(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Stop watching the GPU."""
        self._stopped.set()

    def rate(self, task, skip=0.2) -> float:
        """Units a second, without the first part, in which readers start."""
        times = self.times[task]
        first = times[min(len(times) - 1, max(1, int(skip * len(times))))]
        return (times[-1][0] - first[0]) / max(1e-9, times[-1][1] - first[1])

    def busy(self, begin, end) -> float:
        """Mean use of the GPU in percent between two times; NaN where it was not watched."""
        found = [use for moment, use in self.use if begin <= moment <= end]
        return mean(found) if found else float("nan")
