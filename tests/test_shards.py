import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.shards import Shard, parse_shard


@given(st.integers(0, 50), st.integers(1, 12))
def test_parts_make_up_the_whole_in_order(total, count):
    items = list(range(total))
    parts = [Shard(number, count).of(items) for number in range(1, count + 1)]
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_wrong_spelling_is_told_the_right_one(text):
    with pytest.raises(UsageError, match=r"1/8, 2/8, \.\. 8/8"):
        parse_shard(text)
