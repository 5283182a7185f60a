from __future__ import annotations

import json
from io import BytesIO

import pytest

from curate.selection.formats.long_json import LongJson


@pytest.mark.parametrize("values", [[], [{"x": 1}], [{"x": 1}, {"x": "]}"}]])
@pytest.mark.parametrize("tail", [{}, {"z": [2]}])
def test_written_piece_by_piece_it_reads_as_one(values, tail):
    file = BytesIO()
    text = LongJson(file, {"a": {"b": 1}}, "list")
    for value in values:
        text.add(value)
    text.finish(tail)
    assert json.loads(file.getvalue()) == {"a": {"b": 1}, "list": values} | tail
