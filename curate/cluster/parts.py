"""Parts of one score file that the tasks of a job make: their names, checksums, how to make each.

Those of ``weights.h5`` lie in ``weights.h5.parts/``: ``part-0005-of-0008.h5`` and the tables beside
it, ``part-0005-of-0008.sha256`` once it is finished (``sha256sum --check`` reads it), and
``parts.json``, which says by what command they are made.
"""

from __future__ import annotations

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate import errors, job, reporting, texts
from curate.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SUFFIX: Final = ".parts"
_NAME: Final = "part-{:04d}-of-{:04d}.h5"
_PART: Final = re.compile(r"part-(\d{4,9})-of-(\d{4,9})\.(h5|sha256)", re.ASCII)
_RECORD: Final = "parts.json"
_NEW_EACH_TIME: Final = ("--resume", "--overwrite", "--json")
_HASHERS: Final = 2
_SHOWN: Final = 20


def part_of(path: Path) -> job.Shard | None:
    """Tell which part lies at a path, by its name; None if it is not called like one.

    Examples
    --------
    >>> part_of(Path("w.h5.parts/part-0002-of-0008.h5"))
    Shard(number=2, count=8)
    """
    match = _PART.fullmatch(path.name)
    return job.Shard(int(match[1]), int(match[2])) if match else None


def path_of(out: Path, part: job.Shard) -> Path:
    """Name the file of a part of `out`.

    Examples
    --------
    >>> path_of(Path("w.h5"), job.Shard(5, 8)).as_posix()
    'w.h5.parts/part-0005-of-0008.h5'
    """
    return out.with_name(f"{out.name}{SUFFIX}") / _NAME.format(part.number, part.count)


def is_folder_of_parts(path: Path) -> bool:
    """Tell whether a folder holds parts, or is there for them."""
    if not path.is_dir():
        return False
    return path.suffix == SUFFIX or any(_PART.fullmatch(entry.name) for entry in path.iterdir())


def choose_path(out: Path, shard: str, part: job.Shard, command: Sequence[str] = ()) -> Path:
    """Tell where a part is to be written, and make ready for it.

    Parameters
    ----------
    out : Path
        As the person names it.
    shard : str
        As the person writes it: only the parts of ``auto`` go to the folder by themselves.
    part : Shard
    command : sequence of str
        By which the part is made, kept for those that have to be made again.

    Raises
    ------
    UsageError
        If parts of another number are there, or `out` is the name of another part.
    StoreError
        If the disk does not let us.
    """
    path = path_of(out, part) if job.is_automatic(shard) and not part.is_whole else out
    named = part_of(path)
    if named is None:
        return path
    if named != part:
        msg = f"score --out {out} --shard {shard}: this is the name of another part. Name it alike."
        raise errors.UsageError(msg)
    folder = path.absolute().parent
    with atomic.disk_errors("write to", folder):
        folder.mkdir(parents=True, exist_ok=True)
    others = {count for count in counts(folder) if count != part.count}
    if others:
        msg = (
            f"{folder} holds parts of {min(others)}, and this is one of {part.count}: remove the "
            "folder, name another --out, or take as many parts as before."
        )
        raise errors.UsageError(msg)
    _record(folder, command)
    return path


def seal(path: Path) -> None:
    """Write down the checksum of a part that is finished; other files are left alone."""
    if part_of(path) is not None:
        line = f"{atomic.sha256_file(path)}  {path.name}\n"
        atomic.write_bytes(path.with_suffix(".sha256"), line.encode())


def unseal(path: Path) -> None:
    """Take a part for unfinished from now on: it is being made again."""
    if part_of(path) is not None:
        path.with_suffix(".sha256").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a folder of parts.

    Attributes
    ----------
    folder : Path
    count : int
        How many parts there should be.
    whole : tuple of Path
        Parts that are finished and sound.
    problems : dict of int to str
        What is wrong with each of the others, by number.
    command : tuple of str
        By which they were made, without ``--shard`` and ``--out``.
    place : str
        The folder it was called in; empty where unknown.
    """

    folder: Path
    count: int
    whole: tuple[Path, ...]
    problems: dict[int, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("curate", "score", "DATASET")
    place: str = ""

    def explain(self) -> str:
        """Say what is missing or damaged, and by what command each part is made."""
        listed = sorted(self.problems.items())
        lines = [f"  {number}: {problem}\n    {self.line_of(number)}" for number, problem in listed]
        more = [f"  .. and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
        head = f"{self.folder} holds {len(self.whole):,} of {self.count:,} parts"
        numbers = _spans(number for number, _ in listed)
        return "\n".join([f"{head}, without {numbers}:", *lines[:_SHOWN], *more])

    def line_of(self, number: int) -> str:
        """Return the command line that makes a part."""
        is_here = self.place in {"", str(Path.cwd())}
        folder = self.folder if is_here else self.folder.absolute()
        path = folder / _NAME.format(number, self.count)
        flag = "--overwrite" if self.problems.get(number) == DAMAGED else "--resume"
        shard = f"{number}/{self.count}"
        line = shlex.join([*self.command, "--out", str(path), "--shard", shard, flag])
        return line if is_here else f"cd {shlex.quote(self.place)} && {line}"


_MISSING: Final = "missing"
_UNFINISHED: Final = "unfinished"
DAMAGED: Final = "damaged: not what was written"


def survey(
    folder: Path,
    reporter: reporting.Reporter | None = None,
    use: Callable[[Path], object] | None = None,
) -> Survey:
    """Look at all parts in a folder: each is read as a whole and compared with its checksum.

    Parameters
    ----------
    use : callable, optional
        Is given each part that is whole, in their order, while the next ones are looked at.

    Raises
    ------
    UsageError
        If there is none, or they are parts of different numbers.
    StoreError
        If the disk does not let us read.
    """
    reporter = reporter or reporting.SilentReporter()
    known = counts(folder)
    if len(known) != 1:
        seen = f"parts of {' and of '.join(map(str, sorted(known)))}" if known else "no parts"
        msg = (
            f"{folder} holds {seen}: name a folder in which 'curate score --shard auto/N' left "
            "the parts of one score file."
        )
        raise errors.UsageError(msg)
    count = known.pop()
    paths = [folder / _NAME.format(number, count) for number in range(1, count + 1)]
    problems = dict[int, str]()
    reporter.start("check", count, unit="parts")
    with ThreadPoolExecutor(_HASHERS) as pool:
        for number, problem in enumerate(pool.map(_look_at, paths), start=1):
            if problem:
                problems[number] = problem
            elif use:
                use(paths[number - 1])
            reporter.advance(number)
    reporter.finish()
    whole = tuple(path for number, path in enumerate(paths, 1) if number not in problems)
    return Survey(folder, count, whole, problems, *_read_record(folder))


def _look_at(path: Path) -> str:
    """Tell what is wrong with a part; empty if it is what was written."""
    seal_path = path.with_suffix(".sha256")
    if not path.exists():
        has_pieces = path.with_name(f"{path.name}.pieces").exists()
        return _UNFINISHED if has_pieces else _MISSING
    if not seal_path.exists():
        return _UNFINISHED
    with atomic.disk_errors("read", seal_path):
        expected = texts.read_bytes(seal_path).decode("ascii", "replace").partition(" ")[0]
    return "" if atomic.sha256_file(path) == expected else DAMAGED


def _record(folder: Path, command: Sequence[str]) -> None:
    """Keep the command by which the parts are made, without what differs between them."""
    kept, skip = list[str](), False
    for word in command:
        name, _, value = word.partition("=")
        if skip or name in {"--shard", "--out", *_NEW_EACH_TIME}:
            skip = not skip and not value and name in {"--shard", "--out"}
            continue
        kept.append(word)
    if kept:
        content = json.dumps({"command": kept, "folder": str(Path.cwd())}, indent=2)
        atomic.write_bytes(folder / _RECORD, f"{content}\n".encode())


def _read_record(folder: Path) -> tuple[Any, ...]:
    """Read how the parts were made, and in which folder; nothing where it is not known."""
    try:
        found = texts.parse_json(texts.read_bytes(folder / _RECORD))
        return tuple(map(str, found["command"])), str(found["folder"])
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def counts(folder: Path) -> set[int]:
    """Find out of how many parts the files in a folder are, finished or not."""
    names = (entry.name.removesuffix(".pieces") for entry in folder.iterdir())
    matches = (_PART.fullmatch(name.removesuffix(".images.parquet")) for name in names)
    return {int(match[2]) for match in matches if match}


def _spans(numbers: Iterable[int]) -> str:
    """Write numbers as a job array takes them.

    Examples
    --------
    >>> _spans([1, 3, 4, 5])
    '1,3-5'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ",".join("-".join(map(str, span)) for span in spans)
