"""The result of a command on stdout: one JSON object, or a few lines for a person."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import textwrap
from typing import TYPE_CHECKING, Any, TextIO

import typer

from curate import errors, job
from curate.texts import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def show(result: Mapping[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """Print `result` as JSON, or `lines`.

    Of the processes of a job, only the first one prints. A reader that has gone away (``| head``)
    is no error.

    Raises
    ------
    StoreError
        If stdout is a file on a full disk, or cannot be written for another reason.
    """
    if not job.this_process().is_first:
        return
    told = "\n".join(map(printable, lines))
    text = json.dumps(_plain(result), allow_nan=False) if as_json else told
    try:
        typer.echo(text, color=False)
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        msg = f"The result could not be written to stdout: {error}. The work itself is done."
        raise errors.StoreError(msg) from error


def next_command(*words: object, why: str = "") -> str:
    """Say what to type next, in a form that can be pasted, with the reason as a comment.

    Examples
    --------
    >>> next_command("score", "my set", "--out", "weights.h5")
    "Next: curate score 'my set' --out weights.h5"
    >>> next_command("report", why="shows the scores")
    'Next: curate report  # shows the scores'
    """
    return f"Next: curate {shlex.join(map(str, words))}" + (f"  # {why}" if why else "")


def wrap(text: str) -> list[str]:
    """Break a sentence into lines of at most 80 columns; the later ones are indented."""
    return textwrap.wrap(
        text, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align cells: the first of a row to the left, the others to the right.

    Examples
    --------
    >>> columns([("class", "px"), ("a", "1,000")])
    ['class     px', 'a      1,000']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]).rstrip()
        for first, *rest in rows
    ]


def duration(seconds: float) -> str:
    """Write a time span: ``8 s``, ``3:20`` (minutes) or ``1:03:20``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{last:02d}" if hours else f"{minutes}:{last:02d}"


def measure(value: float, *interval: float) -> str:
    """Write a measure in [0, 1]: ``.95 [.92, .98]``, or a dash where it could not be taken."""
    if math.isnan(value):
        return "-"
    ends = ", ".join(map(_hundredths, interval))
    return _hundredths(value) + (f" [{ends}]" if ends and "nan" not in ends else "")


def _hundredths(value: float) -> str:
    """Write two digits, without a zero before the point."""
    return f"{value:.2f}".replace("0.", ".", 1) if 0 <= value < 0.995 else f"{value:.2f}"


def count(number: int, noun: str) -> str:
    """Write a number of things: ``1 image``, ``2,000 images``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Make a value fit for JSON: NaN and infinities become null, paths become text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def discard(stream: TextIO) -> None:
    """Point a stream nowhere, or Python complains once more when it flushes at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
