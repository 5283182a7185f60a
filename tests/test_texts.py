from __future__ import annotations

import os

import pytest

from curate import texts


def test_pipe_and_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "zero"):
        if path.name == "zero":
            path.symlink_to("/dev/zero")
        with pytest.raises(OSError, match="no ordinary file"):
            texts.read_bytes(path)
    with pytest.raises(IsADirectoryError):
        texts.read_bytes(tmp_path)


def test_file_is_read_up_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "MAX_BYTES", 4)
    (tmp_path / "a").write_bytes(b"1234")
    assert texts.read_bytes(tmp_path / "a") == b"1234"
    (tmp_path / "a").write_bytes(b"12345")
    with pytest.raises(OSError, match="more than 4 bytes"):
        texts.read_bytes(tmp_path / "a")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 99_999, "nested too deep"),
        (b"9" * 5_000, "digits"),
        (b'"\\ud800"', "surrogates not allowed"),
        (b"\xff", "decode"),
        (b"{", "Expecting"),
    ],
)
def test_hostile_json_is_a_value_error(content, problem):
    with pytest.raises(ValueError, match=problem):
        texts.parse_json(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a = 1".encode("utf-16"), "it is in UTF-16: save it as UTF-8"),
        ("a = 1".encode("utf-16-le"), "it is in UTF-16"),
        ("a = 'ß'".encode("latin-1"), "not in UTF-8"),
        (b"x = " + b"[" * 2_000 + b"]" * 2_000, "nested too deep"),
        (b"x = " + b"{a=" * 2_000 + b"1" + b"}" * 2_000, "nested too deep"),
        (b"x = " + b"9" * 5_000, "digits"),
        (b'x = ["a\\u0000b"]', "NUL"),
        (b'[x]\n"a\\u0000b" = 1', "NUL"),
        (b"x = ", "Invalid value"),
    ],
)
def test_hostile_toml_is_a_value_error(content, problem):
    with pytest.raises(ValueError, match=problem):
        texts.parse_toml(content)


def test_toml_of_other_systems_is_read():
    assert texts.parse_toml("\ufeffa = 'ß'\r\nb = 2\r\n".encode()) == {"a": "ß", "b": 2}


def test_long_values_are_cut_off():
    assert texts.shown("ab") == "'ab'"
    assert texts.shown("a" * 500) == "'" + "a" * 199 + ".."
    assert texts.shown([int("f" * 6_000, 16)]) == "a list too long to show"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Straße 写　真.png", "Straße 写　真.png"),
        ("a\tb\nc", "a\\tb\\nc"),
        ("\x1b[31m\x7f\x9b\u2028\u202e\ud800", "\\x1b[31m\\x7f\\x9b\\u2028\\u202e\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text, shown):
    assert texts.printable(text) == shown
