import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal():
    """Undo what nohup and background jobs do to signals, for us and for the processes we start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
