import pytest

from curate.errors import StoreError, UsageError
from curate.remote import client

URL = "memory://bucket/one"


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr(client.time, "sleep", found.append)
    return found


def failing(*errors):
    """Make an action that raises each of the errors, then answers."""
    left = [*errors, "answer"]

    def act():
        first = left.pop(0)
        if isinstance(first, Exception):
            raise first
        return first

    return act


def test_passing_faults_are_tried_again_with_longer_pauses(pauses):
    errors = [ConnectionError("reset"), TimeoutError(), OSError("503"), EOFError()]
    assert client.attempt("read", URL, failing(*errors)) == "answer"
    low = [client.FIRST_PAUSE_S * 2**i for i in range(4)]
    assert [least <= pause <= 2 * least for least, pause in zip(low, pauses, strict=True)] == [
        True
    ] * 4


def test_fifth_failure_is_the_last_and_says_how_often(pauses):
    action = failing(*[ConnectionError("reset by peer")] * 5)
    with pytest.raises(
        StoreError,
        match=r"cannot read memory://bucket/one after 5 tries in 0 s: ConnectionError \(reset by "
        r"peer\)\. See whether .* --resume",
    ):
        client.attempt("read", URL, action)
    assert len(pauses) == 4


@pytest.mark.parametrize("error", [PermissionError("denied"), OSError("wrong")])
def test_refusal_is_not_tried_again(pauses, error):
    error.status = 403
    with pytest.raises(StoreError, match=r"credentials .*no option gives them"):
        client.attempt("read", URL, failing(error))
    assert pauses == []


def test_what_is_missing_is_missing_at_once(pauses):
    with pytest.raises(FileNotFoundError, match="bucket/one"):
        client.attempt("read", URL, failing(FileNotFoundError()))
    assert pauses == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://h/x?X-Amz-Signature=SECRET failed", "GET https://h/x.. failed"),
        ("https://me:SECRET@h/x", "https://..h/x"),
        ("account_key=SECRET refused", "account_key=.. refused"),
    ],
)
def test_no_secret_of_a_client_is_shown(pauses, text, shown):
    with pytest.raises(StoreError) as error:
        client.attempt("read", URL, failing(*[OSError(text)] * 5))
    assert shown in str(error.value)
    assert "SECRET" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_fewer_bytes_than_asked_for_are_a_failed_attempt(pauses, monkeypatch):
    answers = [b"ab", b"abcd"]
    monkeypatch.setattr(client, "once", lambda *_, **__: answers.pop(0))
    assert client.read_piece(URL, "/bucket/one", 0, 4) == b"abcd"
    assert len(pauses) == 1


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(client, "_clients", {})
    monkeypatch.setitem(__import__("sys").modules, "adlfs", None)
    with pytest.raises(UsageError, match=r"az:// needs .* pip install 'curate-seg\[az\]'"):
        client.client_of("az://container/x")
