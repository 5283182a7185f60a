"""Ranks of a job as threads of this process: quick, and without a process group."""

import threading

import torch

from curate import distributed
from curate.job import World

PATIENCE_S = 10


class Ranks:
    """Stands in for ``torch.distributed`` under `curate.distributed`."""

    def __init__(self, monkeypatch, size=2):
        self.size = size
        self._monkeypatch = monkeypatch
        self._barrier = threading.Barrier(size, timeout=PATIENCE_S)
        self._given = [None] * size
        self._here = threading.local()

    def run(self, function):
        """Call ``function(rank)`` on all ranks at a time; return the results in their order."""
        results = [None] * self.size

        def call(rank):
            self._here.rank = rank
            results[rank] = function(rank)

        threads = [threading.Thread(target=call, args=(rank,)) for rank in range(self.size)]
        with self._monkeypatch.context() as patch:
            patch.setattr(distributed, "dist", self)
            patch.setattr(distributed._job, "world", World(0, self.size, 0))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return results

    def all_gather(self, parts, tensor):
        self._given[self._here.rank] = tensor.detach().clone()
        self._barrier.wait()
        for part, given in zip(parts, self._given, strict=True):
            part.copy_(given)
        self._barrier.wait()

    def all_reduce(self, tensor):
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        self.all_gather(parts, tensor)
        tensor.copy_(torch.stack(parts).sum(dim=0))
