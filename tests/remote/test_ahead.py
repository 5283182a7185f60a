import threading

import pytest

from curate.remote import ahead


def test_begun_reading_is_taken_once():
    ahead.begin("one", lambda: b"1")
    ahead.begin("one", lambda: b"another")
    assert ahead.take("one").result() == b"1"
    assert ahead.take("one") is None


def test_error_of_a_reading_comes_out_where_it_is_taken():
    def fail():
        raise FileNotFoundError

    ahead.begin("two", fail)
    with pytest.raises(FileNotFoundError):
        ahead.take("two").result()


def test_many_are_read_at_once():
    meeting = threading.Barrier(ahead.NUM_THREADS, timeout=10)
    for key in range(ahead.NUM_THREADS):
        ahead.begin(key, meeting.wait)
    assert sorted(ahead.take(key).result() for key in range(ahead.NUM_THREADS)) == list(
        range(ahead.NUM_THREADS)
    )


def test_what_nobody_takes_is_dropped(monkeypatch):
    monkeypatch.setattr(ahead, "_MAX_BEGUN", 2)
    for key in "abc":
        ahead.begin(key, lambda: None)
    assert ahead.take("a") is None
    assert ahead.take("c") is not None
    ahead.take("b")
