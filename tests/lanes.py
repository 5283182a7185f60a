"""Lanes of tests, by marker: which there are, and which are off unless ``-m`` names them."""

from __future__ import annotations

import re
from collections import Counter

LANES = {
    "slow": "takes more than about two seconds, or many tests of its kind do together",
    "gpu": "needs a CUDA device",
    "data": "needs real files in the folder named by CURATE_TEST_DATA",
}
"""What runs by default; `gpu` and `data` skip where they lack what they need."""

LANES_ON_REQUEST = {
    "fuzz": "feeds random and hostile files for a long time",
    "browser": "opens reports in a browser",
    "dialects": "reads subsets with the packages that they are for",
    "ray": "starts a Ray cluster on this machine",
    "slurm": "needs a Slurm cluster",
    "s3": "needs an object store",
}
"""What runs only when ``-m`` names it, as in ``-m fuzz`` or ``-m "fuzz or s3"``."""


def pytest_configure(config):
    """Declare the markers; the tests that are off are counted in `config`."""
    for name, meaning in (LANES | LANES_ON_REQUEST).items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.num_off = Counter()


def pytest_collection_modifyitems(config, items):
    """Deselect the lanes that ``-m`` does not name."""
    off = set(LANES_ON_REQUEST) - set(re.findall(r"\w+", config.getoption("markexpr")))
    lanes = {
        item: [mark.name for mark in item.iter_markers() if mark.name in off] for item in items
    }
    config.num_off.update(names[0] for names in lanes.values() if names)
    config.hook.pytest_deselected(items=[item for item in items if lanes[item]])
    items[:] = [item for item in items if not lanes[item]]


def pytest_terminal_summary(terminalreporter, config):
    """Say which tests were off, and how to ask for them."""
    for name, count in config.num_off.items():
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(f"lane {name} was off ({tests}); run it with: pytest -m {name}")
