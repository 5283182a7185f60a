"""Subsets are read by the packages that they are for, pixel by pixel as they were written."""

from __future__ import annotations

import importlib.metadata

import pytest

from tests.selection.formats.conftest import Drawn
from tests.selection.formats.packages import PACKAGES
from tests.selection.formats.test_contract import assert_equal

pytestmark = [pytest.mark.dialects, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(params=PACKAGES)
def dialect(request):
    package, reader = PACKAGES[request.param]
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    print(f"{request.param} was read by {package} {version}")  # noqa: T201 (shown by -s)
    return request.param, reader


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_package_reads_the_pixels_that_were_exported(tmp_path, out, dialect, suffix):
    layout, reader = dialect
    drawn = Drawn(tmp_path, suffix, names=("a", "b", "town/a"), scale=2)
    assert_equal(reader(drawn.export(out, layout)), drawn.truth)


def test_package_reads_what_was_left_out_as_ignored(tmp_path, out, dialect):
    layout, reader = dialect
    drawn = Drawn(tmp_path, names=("a", "b"), scale=2)
    assert_equal(reader(drawn.export(out, layout, by="region")), drawn.left_half)
