"""Numbered parts of some work on the nodes of a Ray cluster, which may die, or come late.

Workers are actors that prepare once and then do part after part. One more than there is room for is
always asked for: it starts when a node comes, or makes an autoscaler add one.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from curate import errors
from curate.cluster import ray_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_FAILURES: Final = 3
"""How often a part may fail for a reason of its own."""
MAX_LOSSES: Final = 10
"""How often the worker of a part may die, be it because of its node or of the part."""
_POLL_S: Final = 0.5
_TELL_S: Final = 0.5
_ASK_S: Final = 5.0
_ELSEWHERE_S: Final = 120  # for which a part that failed on one node waits for a worker on another


class Work(Protocol):
    """What a worker has prepared: does part `number`, and tells how far it is."""

    def __call__(self, number: int, tell: Callable[[int], None]) -> Any:  # noqa: ANN401
        """Return what the part came to; raise a `CurateError` where it cannot be done."""


class Done(NamedTuple):
    """What became of the parts.

    Attributes
    ----------
    results : dict of int to object
        By number.
    failures : dict of int to str
        Why the others could not be done, by number.
    nodes : dict of str to int
        Units that each node did.
    """

    results: dict[int, Any]
    failures: dict[int, str]
    nodes: dict[str, int]


@dataclass(slots=True)
class _Part:
    """A part that is not done yet, what went wrong with it so far, and on which nodes."""

    number: int
    failures: int = 0
    losses: int = 0
    not_before: float = 0.0
    nodes: set[str] = field(default_factory=set)

    def note(self, node: str, *, is_own: bool) -> bool:
        """Note that it failed, or lost its worker; tell whether to give it up."""
        self.failures += is_own
        self.losses += not is_own
        self.nodes |= {node} if is_own else set()
        self.not_before = time.monotonic() + (2.0**self.failures if is_own else 0.0)
        return self.failures >= MAX_FAILURES or self.losses >= MAX_LOSSES


class _Board:
    """An actor on the driver's node to whom workers tell how far each part is."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[str, int]] = {}

    def tell(self, number: int, node: str, done: int) -> None:
        self._done[number] = (node, done)

    def read(self) -> dict[int, tuple[str, int]]:
        return self._done


class _Worker:
    """An actor that does parts."""

    def __init__(self, make: list[Any], board: Any) -> None:  # noqa: ANN401
        self._make, self._board, self._node = make, board, ""  # a reference, unread in a list
        self._work: Work | None = None

    def prepare(self) -> tuple[str, str]:
        """Prepare; return the name of this node, and why it failed, if it did."""
        import ray

        about = ray.get_runtime_context()
        self._node = f"{os.uname().nodename}-{about.get_node_id()[:4]}"
        try:
            self._work = ray.get(self._make[0])()
        except errors.CurateError as error:
            return self._node, str(error)
        return self._node, ""

    def do(self, number: int) -> tuple[Any, str]:
        """Do a part; return what it came to, and why it failed, if it did."""
        assert self._work is not None
        told, last = 0.0, 0

        def tell(done: int) -> None:
            nonlocal told, last
            last = done
            if time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                self._board.tell.remote(number, self._node, done)

        try:
            result = self._work(number, tell)
        except errors.CurateError as error:
            return None, str(error)
        self._board.tell.remote(number, self._node, last)
        return result, ""


class _Pool:
    """The workers of a cluster and the parts that are left."""

    def __init__(
        self,
        ray: Any,  # noqa: ANN401
        numbers: Iterable[int],
        make: Callable[[], Work],
        cluster: ray_cluster.Cluster,
    ) -> None:
        self.ray, self._cluster = ray, cluster
        self._waiting = [_Part(number) for number in numbers]
        self._make = ray.put(make)
        here = ray.get_runtime_context().get_node_id()
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
        board = ray.remote(_Board).options(
            num_cpus=0, scheduling_strategy=affinity, max_restarts=-1
        )
        self._board, self._told = board.remote(), dict[int, tuple[str, int]]()
        self._starting: dict[Any, Any] = {}
        self._idle: list[tuple[Any, str]] = []
        self._working: dict[Any, tuple[Any, str, _Part]] = {}
        self._bad_starts = 0

    @property
    def is_left(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._waiting or self._working)

    def go_on(self) -> Iterator[tuple[int, Any, str]]:
        """Give parts to idle workers, ask for one more, and wait a little for something to end.

        Yields number, result and problem of a part that will not be tried again.
        """
        self._assign()
        if self._waiting and not self._starting:
            own = {"num_cpus": self._cluster.cpus, "num_gpus": self._cluster.gpus}
            worker = self.ray.remote(_Worker).options(**own).remote([self._make], self._board)
            self._starting[worker.prepare.remote()] = worker
        if not (refs := [*self._starting, *self._working]):
            time.sleep(_POLL_S)
        for ref in self.ray.wait(refs, num_returns=1, timeout=_POLL_S)[0] if refs else ():
            if ref in self._starting:
                self._begin(ref)
            else:
                yield from self._end(ref)

    def count_done(self) -> Counter[str]:
        """Count the units that each node has done, as far as the board can be asked just now."""
        with suppress(self.ray.exceptions.RayError):  # its node may have gone: it starts elsewhere
            self._told |= self.ray.get(self._board.read.remote(), timeout=_ASK_S)
        done = Counter[str]()
        for node, units in self._told.values():
            done[node] += units
        return done

    def close(self) -> None:
        """End all workers."""
        workers = [*self._starting.values(), *(worker for worker, _ in self._idle)]
        workers += [worker for worker, _, _ in self._working.values()]
        for actor in (*workers, self._board):
            with suppress(self.ray.exceptions.RayError):
                self.ray.kill(actor)

    def _assign(self) -> None:
        """Give each idle worker a part; one that failed on its node waits a while for another."""
        others = ray_cluster.nodes_with_room(self.ray, self._cluster) if self._idle else set()
        for worker, node in list(self._idle):
            now = time.monotonic()
            ready = [part for part in self._waiting if part.not_before <= now]
            fit = [p for p in ready if node not in p.nodes or not others - p.nodes]
            fit = fit or [p for p in ready if p.not_before + _ELSEWHERE_S <= now]
            if fit:
                self._waiting.remove(fit[0])
                self._idle.remove((worker, node))
                self._working[worker.do.remote(fit[0].number)] = (worker, node, fit[0])

    def _begin(self, ref: Any) -> None:  # noqa: ANN401
        """Take in a worker that has prepared, or failed to."""
        worker = self._starting.pop(ref)
        try:
            node, problem = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            node, problem = "", str(error)
        if not problem:
            self._idle.append((worker, node))
            self._bad_starts = 0
            return
        self._bad_starts += 1
        if self._bad_starts >= MAX_FAILURES and not (self._idle or self._working):
            raise errors.RunError(problem)

    def _end(self, ref: Any) -> Iterator[tuple[int, Any, str]]:  # noqa: ANN401
        """Take in a part that is done, failed, or has lost its worker."""
        worker, node, part = self._working.pop(ref)
        result = None
        try:
            result, problem = self.ray.get(ref)
            self._idle.append((worker, node))
            is_own = True
        except self.ray.exceptions.RayTaskError as error:  # a bug: its traceback is kept
            self._idle.append((worker, node))
            problem, is_own = str(error), True
        except self.ray.exceptions.RayError as error:
            problem, is_own = f"its worker on {node} died: {str(error).splitlines()[0]}", False
            with suppress(self.ray.exceptions.RayError):
                self.ray.kill(worker)
        if not problem or part.note(node, is_own=is_own):
            yield part.number, result, problem
        else:
            self._waiting.append(part)


def do_parts(
    numbers: Iterable[int],
    make: Callable[[], Work],
    cluster: ray_cluster.Cluster,
    on_progress: Callable[[int, dict[str, float]], None],
) -> Done:
    """Do all parts on the workers of a cluster.

    A part whose worker dies is done again, on whatever node has room; so is one that fails, after
    a pause and on another node if there is one, until it has failed `MAX_FAILURES` times. The
    others go on meanwhile.

    Parameters
    ----------
    numbers : iterable of int
    make : callable
        Called once in each worker; must be picklable.
    cluster : Cluster
    on_progress : callable
        Called now and then with the units that are done, and those a second of each node.

    Raises
    ------
    RunError
        If no worker can be prepared, or there is no cluster.
    """
    done = Done({}, {}, {})
    for number, result, problem in each_part(numbers, make, cluster, on_progress, done.nodes):
        if problem:
            done.failures[number] = problem
        else:
            done.results[number] = result
    return done


def each_part(
    numbers: Iterable[int],
    make: Callable[[], Work],
    cluster: ray_cluster.Cluster,
    on_progress: Callable[[int, dict[str, float]], None],
    nodes: dict[str, int] | None = None,
) -> Iterator[tuple[int, Any, str]]:
    """Yield number, result and problem of each part as it is done, or given up; see `do_parts`.

    Parameters
    ----------
    nodes : dict, optional
        Is told the units that each node did.
    """
    started = time.monotonic()
    with ray_cluster.connect(cluster) as ray:
        pool = _Pool(ray, numbers, make, cluster)
        try:
            while pool.is_left:
                yield from pool.go_on()
                done = pool.count_done()
                seconds = max(time.monotonic() - started, 1e-6)
                rates = {node: round(units / seconds, 2) for node, units in sorted(done.items())}
                on_progress(sum(done.values()), rates)
                if nodes is not None:
                    nodes.update(done)
        finally:
            pool.close()
