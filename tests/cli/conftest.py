from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from curate.cli.app import app


class Result(SimpleNamespace):
    """Stands in for what a workflow returns."""

    def to_json(self):
        return dict(vars(self))


@pytest.fixture
def run():
    """Call the command line in this process."""

    def call(*args):
        return CliRunner().invoke(app, [str(arg) for arg in args])

    return call


@pytest.fixture
def workflow(monkeypatch):
    """Replace a workflow by one that notes its arguments, then returns or raises `outcome`."""

    def replace(module, function, outcome):
        calls = []

        def fake(*args, **kwargs):
            calls.append((args, kwargs))
            if isinstance(outcome, BaseException):
                raise outcome
            if callable(outcome) and not isinstance(outcome, Result):
                return outcome(*args, **kwargs)
            return outcome

        stand_in = ModuleType(f"curate.{module}")
        setattr(stand_in, function, fake)
        monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
        return calls

    return replace
