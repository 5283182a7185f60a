"""Every benchmark can be imported, so that none falls behind when names move."""

import importlib
from pathlib import Path

import pytest

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if not path.stem.startswith(("test_", "__"))
)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_imported(name):
    try:
        importlib.import_module(f"tests.benchmarks.{name}")
    except SystemExit as error:
        if "pip install" in str(error):
            pytest.skip(str(error))
        raise
