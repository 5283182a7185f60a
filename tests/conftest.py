import signal

import pytest

from curate.workflows.fit import fit
from tests.workflows.tiny import tiny_config


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
