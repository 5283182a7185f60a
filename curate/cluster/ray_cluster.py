"""A Ray cluster: what workers take of it, joining it, or starting one on this machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from curate import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOCK_S: Final = 10


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where to work, and what each worker takes.

    Attributes
    ----------
    address : str, optional
        Of a running cluster; by default that in RAY_ADDRESS, else one is started on this machine
        and ended again.
    cpus, gpus : float
        Of each worker.
    """

    address: str | None = None
    cpus: float = 1
    gpus: float = 0


def import_ray() -> Any:  # noqa: ANN401
    """Import Ray, which is an extra.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        msg = "Ray is not installed: pip install 'curate-seg[ray]', here and on every node."
        raise errors.UsageError(msg) from error
    return ray


@contextmanager
def connect(cluster: Cluster) -> Iterator[Any]:
    """Join the cluster, or start one on this machine; at the end, leave it.

    Raises
    ------
    RunError
        If there is no cluster at the address.
    UsageError
        If this machine has less than a worker takes.
    """
    ray = import_ray()
    address = cluster.address or os.environ.get("RAY_ADDRESS")
    if ray.is_initialized():
        yield ray
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    handlers = _read_handlers()
    try:
        if address:
            _knock(address)
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = (
            f"no Ray cluster answers at {address or 'this machine'} ({reason}). Start one with "
            "'ray start', or look at the address."
        )
        raise errors.RunError(msg) from error
    for number, handler in handlers.items():  # Ray has its own, which ends without a word
        signal.signal(number, handler)
    try:
        if not address and not nodes_with_room(ray, cluster):
            msg = (
                f"this machine has no {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs for a "
                "worker: let it take less, or name a cluster."
            )
            raise errors.UsageError(msg)
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Fail at once where nobody listens; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _read_handlers() -> dict[int, Any]:
    """Return what signals do in this process; other threads than the main one cannot set it."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    return {number: handler for number, handler in found.items() if handler is not None}


def nodes_with_room(ray: Any, cluster: Cluster) -> set[str]:  # noqa: ANN401
    """Name the nodes that have what a worker takes."""
    return {
        f"{node['NodeManagerHostname']}-{node['NodeID'][:4]}"
        for node in ray.nodes()
        if node["Alive"]
        and node["Resources"].get("CPU", 0) >= cluster.cpus
        and node["Resources"].get("GPU", 0) >= cluster.gpus
    }
