"""The command ``curate``: its list of commands, and its entry point."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from typer.core import TyperCommand

from curate.cli import (
    audit,
    check,
    compare,
    demo,
    export_subset,
    fit,
    init,
    merge,
    options,
    process,
    report,
    score,
    show,
)

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "init": init.init,
    "check": check.check,
    "fit": fit.fit,
    "score": score.score,
    "merge": merge.merge,
    "export-subset": export_subset.export_subset,
    "audit": audit.audit,
    "compare": compare.compare,
    "report": report.report,
    "show": show.show,
}


class Command(TyperCommand):
    """Command that knows what its options were called before."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Refuse the old name of an option by naming the new one."""
        own = {name for param in self.params for name in param.opts}
        for name in (arg.partition("=")[0] for arg in args):
            if options.RENAMED.get(name) in own:
                ctx.fail(f"{name} is called {options.RENAMED[name]} now.")
        return super().parse_args(ctx, args)


app = typer.Typer(name="curate", no_args_is_help=True, pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)


def main() -> None:
    """Run the command line of this process."""
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
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Score synthetic training images by how real they are, and keep what helps."""
