"""How long ``curate --help`` takes, compared with a bare Typer app of as many commands.

Run as ``python -m tests.benchmarks.startup [REPEATS]``; the target is a ratio of at most 1.5.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from curate.cli.app import COMMANDS

BARE = "import typer\napp = typer.Typer()\n" + "".join(
    f"@app.command('{name}')\ndef c{i}(out: str = typer.Option('a', help='Where.')) -> None:\n"
    f"    'Do {name}.'\n"
    for i, name in enumerate(COMMANDS)
)
OURS = "from curate.cli import main\nmain()"


def seconds(code: str, args: list[str]) -> float:
    """Time one process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *args], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Interleave both programs, so that a busy machine is unfair to neither."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for command in ("", *COMMANDS):
        args = [*command.split(), "--help"]
        pairs = [(seconds(BARE + "app()", args), seconds(OURS, args)) for _ in range(repeats + 1)]
        bare, ours = (statistics.median(times) for times in zip(*pairs[1:], strict=True))
        name = " ".join(["curate", *args])
        print(f"{name:<28} {ours:.3f} s, bare {bare:.3f} s, ratio {ours / bare:.2f}")


if __name__ == "__main__":
    main()
