"""The command ``curate``: its list of commands, and its entry point."""

import functools
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from curate.cli import options, process

COMMANDS: Final = (
    *("demo", "init", "check", "fit", "score", "merge"),
    *("export-subset", "audit", "compare", "report", "show"),
)
"""Each is the function of this name in the file of this name."""


_HOME: Final = re.compile(r"(?:^|(?<==))~(?=/)")
"""Stands for the home folder: at the beginning of an argument, and after ``--out=``."""


class _PlainFlags:
    """Shows no type of a flag in help texts: it takes no value."""

    def get_params(self, ctx: typer.Context) -> list[Any]:
        """List the parameters."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class Commands(_PlainFlags, TyperGroup):  # type: ignore[misc]
    """The command ``curate`` itself."""


def _home(_match: re.Match[str]) -> str:
    """Return the home folder of the user."""
    return os.path.expanduser("~")  # noqa: PTH111  where there is none, ~ stays


class Command(_PlainFlags, TyperCommand):  # type: ignore[misc]
    """Command that knows what its options were called before, and where the user's home is."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Refuse the old name of an option by naming the new one; read ~ where no shell did."""
        own = {name for param in self.params for name in param.opts}
        for name in (arg.partition("=")[0] for arg in args):
            if options.RENAMED.get(name) in own:
                ctx.fail(f"{name} is called {options.RENAMED[name]} now.")
        return super().parse_args(ctx, [_HOME.sub(_home, arg) for arg in args])


WRITE_TO_URLS = ("fit", "score", "merge", "export-subset", "report")
"""Commands whose ``--out`` may be a URL."""


def _find(name: str) -> Callable[..., None]:
    """Return the function of a command, with the options that all commands have."""
    stem = name.replace("-", "_")
    command = getattr(importlib.import_module(f"curate.cli.{stem}"), stem)

    @functools.wraps(command)
    def run(*, quiet: bool, verbose: bool, **given: Any) -> None:  # noqa: ANN401
        resumable = name if "resume" in given else ""
        local_out = None if name in WRITE_TO_URLS else given.get("out")
        process.set_talk(quiet=quiet, verbose=verbose, resumable=resumable, local_out=local_out)
        command(**given)

    signature, kind = inspect.signature(command), inspect.Parameter.KEYWORD_ONLY
    own = {"quiet": options.Quiet, "verbose": options.Verbose}
    added = [
        inspect.Parameter(key, kind, default=False, annotation=each) for key, each in own.items()
    ]
    parameters = [*signature.parameters.values(), *added]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = command.__annotations__ | own
    paragraphs = inspect.getdoc(command).split("\n\n")  # type: ignore[union-attr]
    run.__doc__ = "\n\n".join(" ".join(each.split()) for each in paragraphs)  # wrapped by Rich
    return run


app = typer.Typer(
    name="curate",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in COMMANDS:
    app.command(each, cls=Command)(_find(each))


def main() -> None:
    """Run the command line of this process."""
    process.let_waiting_threads_sleep()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show must not stop us
            stream.reconfigure(errors="backslashreplace")
    process.run(app)


def _show_version(is_wanted: bool) -> None:
    """Print the version and leave."""
    if is_wanted:
        from curate import __version__

        typer.echo(f"curate {__version__}")
        raise typer.Exit


@app.callback()
def _curate(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=_show_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Score synthetic training images by how real they are, and keep what helps."""
