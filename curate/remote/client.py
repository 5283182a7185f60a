"""Requests to a store: by fsspec's client of its kind, tried again, with nothing secret in errors.

Credentials are only where the client itself looks for them: environment variables, its own files.
"""

from __future__ import annotations

import errno
import os
import random
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from curate.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

EXTRAS: Final = {
    "s3": "curate-seg[s3]",
    "gs": "curate-seg[gs]",
    "az": "curate-seg[az]",
    "hf": "huggingface_hub",
    "https": "curate-seg[https]",
    "http": "curate-seg[https]",
    "memory": "fsspec",
}
"""What begins a URL -> what has to be installed for it."""

ATTEMPTS: Final = 5
"""Times that a request is made before it counts as failed."""
FIRST_PAUSE_S: Final = 0.5
"""Before the second attempt; before each further one twice as long, and up to as long again."""
TIMEOUT_S: Final = 60.0
"""Of a request that carries at most `PIECE_BYTES`."""
PIECE_BYTES: Final = 2**23

_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "s3": {
        "max_concurrency": 1,  # else it asks for the size before it reads
        "config_kwargs": {
            "connect_timeout": 10,
            "read_timeout": 30,
            "max_pool_connections": 64,
            "retries": {"mode": "standard", "max_attempts": 3},  # of each page of a listing
        },
    }
}
_FAILURES: Final = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "azure.core.exceptions": "AzureError",
    "google.auth.exceptions": "GoogleAuthError",
    "gcsfs.retry": "HttpError",
    "requests.exceptions": "RequestException",
    "httpx": "HTTPError",
}
"""Errors of clients that are no `OSError`: module -> class."""
_SECRET: Final = re.compile(r"\?[^\s'\")]+|(?<=//)[^\s/@]+@|(?i:(?<=key=)|(?<=token=))[^\s&'\")]+")
_TEMPORARY: Final = (408, 425, 429)

_clients: dict[tuple[int, str], Any] = {}
_lock: Final = threading.Lock()


def client_of(url: str) -> Any:  # noqa: ANN401 (fsspec's classes have no types)
    """Return the client for a URL, one a process.

    Raises
    ------
    UsageError
        If a package is missing for it.
    """
    kind = url.partition("://")[0]
    with _lock:
        if (os.getpid(), kind) not in _clients:
            options = {"use_listings_cache": False} | _OPTIONS.get(kind, {})
            try:
                import fsspec  # here: most data is on a disk

                client = fsspec.filesystem(kind, **options)
            except ImportError as error:
                msg = f"{kind}:// needs a package that is missing: pip install '{EXTRAS[kind]}'"
                raise UsageError(msg) from error
            client.retries = 1  # those of `request` are enough
            _clients[os.getpid(), kind] = client
        return _clients[os.getpid(), kind]


def place_of(url: str) -> str:
    """Return what the client calls a URL."""
    place: str = client_of(url)._strip_protocol(url)
    return place


def request(
    task: str,
    url: str,
    method: str,
    *args: Any,  # noqa: ANN401
    timeout: float | None = None,
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Call a method of the client for a URL; what may pass by itself is tried again.

    Parameters
    ----------
    task : str
        What is done, as it stands in "cannot <task> <url>".
    timeout : float, optional
        Seconds for an attempt.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    StoreError
        If the store refuses, or does not answer as it should in `ATTEMPTS` attempts.
    """
    client = client_of(url)
    return attempt(task, url, lambda: once(client, method, *args, timeout=timeout, **options))


def once(client: Any, method: str, *args: Any, timeout: float | None, **options: Any) -> Any:  # noqa: ANN401
    """Call a method of a client, for as many seconds at most, where the client can stop."""
    own = getattr(client, f"_{method}", None)
    if not client.async_impl or own is None:
        return getattr(client, method)(*args, **options)
    from fsspec.asyn import sync

    return sync(client.loop, own, *args, timeout=timeout, **options)


def attempt(task: str, url: str, action: Callable[[], T]) -> T:
    """Do something with a store, up to `ATTEMPTS` times; errors as of `request`."""
    started, pause = time.monotonic(), FIRST_PAUSE_S
    for left in reversed(range(ATTEMPTS)):
        try:
            return action()
        except (FileNotFoundError, IsADirectoryError):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
        except _failures() as error:
            if not left or _is_final(error):
                _fail(task, url, error, ATTEMPTS - left, time.monotonic() - started)
        time.sleep(pause * (1 + random.random()))
        pause *= 2
    raise AssertionError


def _failures() -> tuple[type[Exception], ...]:
    """List what clients raise, of those that are in use."""
    modules = ((sys.modules.get(module), name) for module, name in _FAILURES.items())
    own = (getattr(module, name) for module, name in modules if hasattr(module, name))
    return (OSError, EOFError, TimeoutError, *own)


def _is_final(error: Exception) -> bool:
    """Tell whether it would fail just so again."""
    code = getattr(error, "status", None) or getattr(error, "code", None)
    is_refused = isinstance(code, int) and 400 <= code < 500 and code not in _TEMPORARY
    return is_refused or isinstance(error, PermissionError) or "Credential" in type(error).__name__


def _fail(task: str, url: str, error: Exception, tries: int, seconds: float) -> NoReturn:
    """Raise the error, without those of the client: they may hold signed addresses."""
    reason = _SECRET.sub("..", str(error).partition("\n")[0].strip())[:300]
    reason = f"{type(error).__name__}{f' ({reason})' if reason else ''}"
    advice = "See whether the store answers, then run again; fit and score go on with --resume."
    if _is_final(error):
        advice = (
            "Check the name, and what the store's own client takes credentials from "
            "(environment variables, its files): no option gives them."
        )
    how_often = "" if tries == 1 else f" after {tries} tries in {seconds:.0f} s"
    msg = f"cannot {task} {url}{how_often}: {reason.rstrip('.')}. {advice}"
    raise StoreError(msg) from None


def read_piece(url: str, place: str, start: int, end: int) -> bytes:
    """Read some bytes of an object; fewer than were asked for are an attempt that failed."""
    client = client_of(url)

    def read() -> bytes:
        data: bytes = once(client, "cat_file", place, start=start, end=end, timeout=TIMEOUT_S)
        if len(data) != end - start:
            msg = f"{len(data)} bytes came, {end - start} were asked for"
            raise OSError(msg)
        return data

    return attempt("read", url, read)
