"""Small files that people and programs write: read whole, bounded, and never from a pipe."""

from __future__ import annotations

import errno
import json
import os
import stat
import tomllib
from typing import TYPE_CHECKING, Any, Final

from curate import remote
from curate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 64 * 2**20
_MAX_SHOWN: Final = 200
_SPACES: Final = "\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}"
"""Not printable to Python, but harmless."""
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def read_bytes(path: Path) -> bytes:
    """Read an ordinary file of at most `MAX_BYTES`.

    Raises
    ------
    OSError
        If it cannot be read, is a folder, a pipe or a device, or is larger.
    """
    if isinstance(path, remote.RemotePath):
        return _check_size(path.read_range(0, min(path.stat().st_size, MAX_BYTES + 1)), path)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe never answers
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
        content = file.read(MAX_BYTES + 1)
    return _check_size(content, path)


def _check_size(content: bytes, path: Path) -> bytes:
    """Refuse more than `MAX_BYTES`."""
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_BYTES:,} bytes", str(path))
    return content


def parse_json(content: bytes) -> Any:  # noqa: ANN401 (any JSON)
    """Parse JSON, all strings of which can be written in UTF-8.

    Raises
    ------
    ValueError
        If it is none, is nested too deep, or holds a number of thousands of digits.
    """
    try:
        value = json.loads(content)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        msg = "it is nested too deep"
        raise ValueError(msg) from error
    return value


def parse_toml(content: bytes) -> dict[str, Any]:
    """Parse TOML in UTF-8, with or without a byte order mark.

    Raises
    ------
    ValueError
        If it is none, is in UTF-16, nested too deep, or holds a NUL or a giant number.
    """
    if content.startswith(_UTF16_MARKS) or b"\0" in content[:4]:
        msg = "it is in UTF-16: save it as UTF-8"
        raise ValueError(msg)
    try:
        text = content.removeprefix(_UTF8_MARK).decode().replace("\r\n", "\n")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        msg = f"it is not in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8"
        raise ValueError(msg) from error
    except RecursionError as error:
        msg = "it is nested too deep"
        raise ValueError(msg) from error
    if "\\u0000" in text and "\0" in _join_strings(table):
        msg = "it holds a NUL character"
        raise ValueError(msg)
    return table


def _join_strings(value: object) -> str:
    """Join all strings in a nested value, keys included."""
    if isinstance(value, dict):
        return "".join(f"{key}{_join_strings(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(map(_join_strings, value))
    return value if isinstance(value, str) else ""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; every failure is a `ConfigError` that names the file."""
    try:
        return parse_toml(read_bytes(path))
    except FileNotFoundError:
        msg = f"{path} does not exist. Create it with 'curate init', or name another with --config."
        raise ConfigError(msg) from None
    except (OSError, ValueError) as error:
        what = "cannot be read" if isinstance(error, OSError) else "is not valid TOML"
        msg = f"{path} {what}: {getattr(error, 'strerror', error)}. Mend it, or name a TOML file."
        raise ConfigError(msg) from error


def shown(value: object) -> str:
    """Write a value as Python does, cut off where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or a deep list
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}.."


def printable(text: str) -> str:
    r"""Spell out what a name could make a terminal or page do: escapes, line breaks, directions.

    Examples
    --------
    >>> print(printable(chr(27) + "[2J.png"))
    \x1b[2J.png
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in _SPACES else c.encode("unicode_escape").decode() for c in text
    )
