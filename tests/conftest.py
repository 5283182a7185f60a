import signal

import pytest
from _pytest.doctest import DoctestModule

from curate.training.fit import fit
from tests.lanes import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_terminal_summary,
)
from tests.tiny import STREAMS_METHOD, tiny_config


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Look for doctests in `curate` only: tests have none, and benchmarks need extras."""
    collectors = yield
    return [found for found in collectors if not isinstance(found, DoctestModule)]


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal():
    """Undo what nohup and background jobs do to signals, for us and for the processes we start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A finished tiny run: its config and its folder."""
    root = tmp_path_factory.mktemp("project")
    config = tiny_config(root)
    return config, fit(config).run


@pytest.fixture(scope="session")
def streams_run(tmp_path_factory):
    """A finished tiny run of the method `streams`: its config and its folder."""
    root = tmp_path_factory.mktemp("streams")
    method = STREAMS_METHOD | {
        "reference_steps": 40,
        "reference_learning_rate": 0.03,
        "epochs": 8,
        "learning_rate": 0.01,
        "corruptions": ["style", "blur"],
    }
    config = tiny_config(root, method=method, steps=40).with_fit(method="streams")
    return config, fit(config).run
