"""A real S3 store, behind a proxy that fails: nothing is lost, one error in the end."""

import random
import shutil
import time

import pytest

from curate.errors import StoreError
from curate.files import transfer
from curate.remote import client
from curate.remote.paths import as_path
from curate.scoring.score import score
from tests.remote.serving import SECRET
from tests.remote.serving import bucket as bucket
from tests.remote.serving import s3_server as s3_server
from tests.remote.test_data_sets import same_maps, score_both
from tests.tiny import write_dataset

pytestmark = pytest.mark.s3


def fill(folder, count=9):
    return write_dataset(folder / "pool", count, is_flat=True, seed=3)


def test_set_scores_as_on_the_disk(finished_run, bucket, tmp_path):
    folder, url, proxy = bucket
    local = fill(folder)
    (left, right), outs = score_both(finished_run, local, as_path(f"{url}/pool"), tmp_path)
    assert left.equals(right)
    assert same_maps(*outs)
    assert not [path for method, path in proxy.seen if method not in ("GET", "HEAD")]
    reads = [path.partition("?")[0] for method, path in proxy.seen if path.endswith(".png")]
    assert (
        len(reads) <= 2 * 18 + 9
    )  # looked at, scored; the bit depth of images; never asked for the size


@pytest.mark.parametrize("fault", ["503", "cut", "close"])
def test_every_third_answer_failing_loses_nothing(finished_run, bucket, tmp_path, fault):
    folder, url, proxy = bucket
    local = fill(folder)
    proxy.fault = lambda method, path, number: fault if number % 3 == 0 else None
    (left, right), outs = score_both(finished_run, local, as_path(f"{url}/pool"), tmp_path)
    assert left.equals(right)
    assert same_maps(*outs)


def test_answer_that_hangs_is_asked_for_again(bucket):
    folder, url, proxy = bucket
    (folder / "one.bin").write_bytes(b"content")
    hung = []
    proxy.fault = lambda method, path, number: hung.append(path) or "hang" if not hung else None
    started = time.monotonic()
    assert as_path(f"{url}/one.bin").read_bytes() == b"content"
    assert hung
    assert time.monotonic() - started < 15


def test_store_that_stays_down_ends_the_work_with_one_error(finished_run, bucket, tmp_path):
    folder, url, proxy = bucket
    local = fill(folder)
    config, _ = finished_run
    out = tmp_path / "weights.h5"
    proxy.fault = lambda method, path, number: "503" if "005" in path else None
    with pytest.raises(
        StoreError, match=r"cannot read s3://.*005.png after 5 tries.*--resume"
    ) as error:
        score(as_path(f"{url}/pool"), out, config=config)
    assert SECRET not in str(error.value)
    assert not out.exists()
    proxy.fault = lambda method, path, number: None
    result = score(as_path(f"{url}/pool"), out, config=config, resume=True)
    assert result.scored + result.skipped == 9
    shutil.rmtree(local)


def test_wrong_credentials_are_refused_at_once_and_not_shown(bucket, monkeypatch):
    _, url, proxy = bucket
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "WRONG-SECRET")
    with pytest.raises(StoreError, match="takes credentials from") as error:
        as_path(f"{url}/one.bin").read_bytes()
    assert "WRONG-SECRET" not in str(error.value)
    assert len(proxy.seen) == 1
    assert error.value.__cause__ is None
    assert client.ATTEMPTS > 1


def test_large_file_is_sent_in_parts_and_not_seen_before_the_last(bucket, monkeypatch):
    folder, url, proxy = bucket
    content = random.Random(0).randbytes(20_000_000)
    out = as_path(f"{url}/scores/weights.h5")

    def fault(method, path, number):
        if method == "POST" and "uploadId" in path and not (folder / "scores/weights.h5").exists():
            seen.append("whole")
        return "503" if method == "PUT" and number % 3 == 0 else None

    seen, proxy.fault = [], fault
    monkeypatch.setattr(client, "TIMEOUT_S", 30.0)
    with transfer.staged(out) as path:
        path.write_bytes(content)
    puts = [path for method, path in proxy.seen if method == "PUT"]
    assert len({path.partition("partNumber=")[2].partition("&")[0] for path in puts}) == 3
    assert seen
    assert (folder / "scores/weights.h5").read_bytes() == content
    assert transfer.fetch(out).read_bytes() == content


def test_upload_to_a_store_that_stays_down_leaves_nothing_and_goes_on(bucket):
    folder, url, proxy = bucket
    out = as_path(f"{url}/w.h5")
    proxy.fault = lambda method, path, number: "close" if method == "PUT" else None
    with (
        pytest.raises(StoreError, match=r"cannot write s3://.*w.h5 after 5 tries") as error,
        transfer.staged(out) as path,
    ):
        path.write_bytes(b"scores")
    assert SECRET not in str(error.value)
    assert list(folder.iterdir()) == []
    proxy.fault = lambda method, path, number: None
    with transfer.staged(out, resume=True) as path:
        assert path.read_bytes() == b"scores"
    assert (folder / "w.h5").read_bytes() == b"scores"


def test_download_in_pieces_survives_answers_that_are_cut(bucket, monkeypatch):
    folder, url, proxy = bucket
    content = random.Random(0).randbytes(3_000_000)
    (folder / "w.h5").write_bytes(content)
    monkeypatch.setattr(client, "PIECE_BYTES", 2**18)
    faults = ["cut", None, "close", None, "503", None]
    proxy.fault = lambda method, path, number: faults[number % 6]
    assert transfer.fetch(as_path(f"{url}/w.h5")).read_bytes() == content
