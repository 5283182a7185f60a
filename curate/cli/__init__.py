"""The command line: Typer commands, one file each, without logic of their own."""

from __future__ import annotations

from curate.cli.app import main

__all__ = ["main"]
