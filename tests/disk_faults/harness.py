"""Runs `curate` commands under faults, and tells what is on the disk afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq

SHIM_SOURCE = Path(__file__).with_name("shim.c")
VOLATILE = {
    "run.json": ("run_id", "images_per_second", "trained_seconds"),
    "provenance.json": ("run",),
}
"""Keys of JSON files that differ between runs that are otherwise equal."""


@dataclass(frozen=True)
class Fault:
    """What happens to a command, and when; see ``shim.c``.

    Attributes
    ----------
    at : int
        Number of the call that it happens at; -1 = never.
    among : str
        ``all`` counts reading calls, too, ``writes`` does not.
    signal, errno : int
        What happens; 0 = nothing.
    times : int
        How many calls fail.
    is_partial : bool
        Whether the first of them writes one half.
    clock_jumps : bool
    """

    at: int = -1
    among: str = "writes"
    signal: int = 0
    target: str = "process"
    errno: int = 0
    times: int = 1
    is_partial: bool = False
    clock_jumps: bool = False

    def environment(self):
        return {
            "FAULT_AT": str(self.at),
            "FAULT_AMONG": self.among,
            "FAULT_SIGNAL": str(self.signal),
            "FAULT_ERRNO": str(self.errno),
            "FAULT_TIMES": str(self.times),
            "FAULT_PARTIAL": str(int(self.is_partial)),
            "FAULT_CLOCK": str(int(self.clock_jumps)),
        }


NO_FAULT = Fault()


@dataclass(frozen=True)
class Done:
    """A command that ended.

    Attributes
    ----------
    code : int or str
        Exit code, minus the number of a signal, or ``hangs``.
    calls : dict of str to int
        How many calls touched the project, by ``Fault.among``.
    """

    code: int | str
    out: str
    err: str
    calls: dict[str, int]


class Commands:
    """Starts commands from a process that has imported everything already."""

    def __init__(self, shim: Path, folder: Path) -> None:
        self.shim = shim
        self.folder = folder
        self._number = 0
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.disk_faults.server"],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, project: Path, *arguments: str, fault: Fault = NO_FAULT) -> Command:
        """Start a command in a project folder."""
        self._number += 1
        files = {name: self.folder / f"{self._number}.{name}" for name in ("out", "err", "count")}
        files["count"].write_bytes(bytes(16))
        where = {"FAULT_FOLDER": str(project), "FAULT_COUNTER": str(files["count"])}
        order = {
            "arguments": arguments,
            "cwd": str(project),
            "out": str(files["out"]),
            "err": str(files["err"]),
            "shim": str(self.shim),
            "target": fault.target,
            "environment": fault.environment() | where,
        }
        return Command(self, self.ask(order), files)

    def run(self, project: Path, *arguments: str, fault: Fault = NO_FAULT) -> Done:
        """Start a command and wait until it ends."""
        return self.start(project, *arguments, fault=fault).wait()

    def ask(self, order):
        """Send an order to the server and return its answer."""
        self._server.stdin.write(f"{json.dumps(order)}\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


@dataclass(frozen=True)
class Command:
    """A command that is running."""

    commands: Commands
    pid: int
    files: dict[str, Path]

    def wait_until_stopped(self) -> bool:
        """Wait for a SIGSTOP to arrive; False if the command ends before."""
        while (state := self._state()) not in ("T", "Z"):
            time.sleep(0.002)
        return state == "T"

    def find_workers(self) -> list[int]:
        """Wait until the command has worker processes; none if it ends before.

        They are forks of a child; whatever else that starts is gone at once.
        """
        seen: set[int] = set()
        while self._state() != "Z":
            found = {worker for child in _children(self.pid) for worker in _children(child)}
            if found & seen:
                return sorted(found & seen)
            seen = found
            time.sleep(0.02)
        return []

    def _state(self) -> str:
        """Read the state letter of the process; Z has ended."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def wait(self) -> Done:
        code = self.commands.ask({"wait": self.pid})
        every, writes = np.frombuffer(self.files["count"].read_bytes(), np.int64)
        texts = [self.files[name].read_text(encoding="utf-8") for name in ("out", "err")]
        return Done(code, *texts, {"all": int(every), "writes": int(writes)})


def _children(pid: int) -> list[int]:
    """List the processes that a process has started."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except (FileNotFoundError, ProcessLookupError):
        return []


class Project:
    """A folder with data sets and a curate.toml that can be put back as it was.

    Parameters
    ----------
    template : Path
        What it holds at first.
    """

    def __init__(self, template: Path, path: Path, commands: Commands) -> None:
        self.template = template
        self.path = path
        self.commands = commands

    def reset(self) -> None:
        """Make the project anew."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self.template, self.path, symlinks=True)

    def saved_as(self, template: Path) -> Project:
        """Return the project that begins as this one is now."""
        shutil.copytree(self.path, template, symlinks=True)
        return Project(template, self.path, self.commands)

    def start(self, *arguments: str, fault: Fault = NO_FAULT) -> Command:
        return self.commands.start(self.path, *arguments, fault=fault)

    def run(self, *arguments: str, fault: Fault = NO_FAULT) -> Done:
        return self.commands.run(self.path, *arguments, fault=fault)

    def contents(self) -> dict[str, str]:
        """Return the value of every file, link and folder, by path."""
        return {
            path.relative_to(self.path).as_posix(): _value(path)
            for path in sorted(self.path.rglob("*"))
        }


class Trial:
    """A command, how it is run again after a fault, and what it leaves when undisturbed.

    Parameters
    ----------
    arguments, again : tuple of str
        The command, and the one that goes on after a fault.
    """

    def __init__(
        self, project: Project, arguments: tuple[str, ...], again: tuple[str, ...]
    ) -> None:
        self.project = project
        self.arguments = arguments
        self.again = again
        project.reset()
        done = project.run(*arguments)
        assert done.code == 0, done.err
        self.calls = done.calls
        self.undisturbed = project.contents()

    def moment(self, seed: int, number: int) -> dict[str, int | str]:
        """Draw a moment: two of three among the writing calls, the others among all of them."""
        among = "all" if number % 3 == 0 else "writes"
        at = np.random.default_rng((seed, number)).integers(self.calls[among])
        return {"among": among, "at": int(at)}

    def disturb(self, fault: Fault) -> Done:
        """Run the command in a new project under a fault; it must end with one message at most."""
        self.project.reset()
        done = self.project.run(*self.arguments, fault=fault)
        assert done.code in _expected_codes(fault), (done.code, done.err)
        check_message(done)
        return done

    def pause(self, **moment) -> Command:
        """Start the command in a new project, and stop it at a moment until SIGCONT."""
        self.project.reset()
        command = self.project.start(*self.arguments, fault=Fault(signal=signal.SIGSTOP, **moment))
        assert command.wait_until_stopped()
        return command

    def recover(self) -> Done:
        """Run the command again, and see that everything is as if nothing had happened."""
        done = self.project.run(*self.again)
        assert done.code == 0, done.err
        found = self.project.contents()
        assert sorted(found) == sorted(self.undisturbed)
        differing = [name for name in found if found[name] != self.undisturbed[name]]
        assert differing == [], differing
        return done

    def survive(self, fault: Fault) -> Done:
        """Disturb, then recover; return how the disturbed command ended."""
        done = self.disturb(fault)
        self.recover()
        return done


def check_message(done: Done) -> None:
    """See that a command that failed says why in one message, and another in none."""
    assert "Traceback" not in done.err, done.err
    assert done.err.count("error: ") == (1 if done.code in (1, 2, 130) else 0), done.err


def resume(command: Command) -> Done:
    """Let a paused command go on to its end."""
    os.kill(command.pid, signal.SIGCONT)
    done = command.wait()
    check_message(done)
    return done


def _expected_codes(fault: Fault) -> tuple[int, ...]:
    """Exit codes that a command may end with; 0 where the fault came too late or did no harm."""
    if fault.signal:
        return (0, -9) if fault.signal == signal.SIGKILL else (0, 130)
    return (0, 1) if fault.errno else (0,)


def _value(path: Path) -> str:
    """Put what a path holds into a text that is equal for equal values."""
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    if path.suffix == ".jsonl" and path.parent.name == ".curate":
        return _seen(path)
    read = {".h5": _h5, ".parquet": _parquet, ".json": _json}.get(path.suffix)
    return repr(path.read_bytes()) if read is None else read(path)


def _h5(path: Path) -> str:
    """List attributes and values of everything in an HDF5 file."""
    lines = []

    def note(name, node):
        lines.append((name, sorted(node.attrs.items())))
        if isinstance(node, h5py.Dataset):
            lines.append((node.dtype.str, node.shape, node[()].tolist()))

    with h5py.File(path) as file:
        note("/", file)
        file.visititems(note)
    return repr(lines)


def _seen(path: Path) -> str:
    """List what is known of each file: torn lines are not, and times of change are the copy's."""
    known = {}
    for line in path.read_bytes().splitlines():
        try:
            facts = json.loads(line)
        except ValueError:
            continue
        known[facts["image_path"]] = {key: facts[key] for key in facts if key != "stamp"}
    return repr(sorted(known.items()))


def _parquet(path: Path) -> str:
    table = pq.read_table(path)
    return repr((table.schema.metadata, str(table.schema), table.to_pydict()))


def _json(path: Path) -> str:
    table = json.loads(path.read_text(encoding="utf-8"))
    for part in (table, table.get("result", {})) if isinstance(table, dict) else ():
        for key in VOLATILE.get(path.name, ()):
            part.pop(key, None)
    return json.dumps(table, indent=1)
