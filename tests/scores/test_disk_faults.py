"""Full disks, faults of the disk, and processes that are killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from curate.errors import StoreError
from curate.scores.h5_write import creating_h5
from curate.scores.score_file import ScoreFile
from tests.scores.making import open_writer, scored_image, write_scores

NUM_IMAGES = 12
IMAGES = [scored_image(f"i{n:02}", n / NUM_IMAGES, size=(40, 40)) for n in range(NUM_IMAGES)]


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fail_writes(monkeypatch, number, after):
    """Let `os.pwrite` fail for good after so many calls."""
    calls = iter(range(10**9))
    write = os.pwrite

    def pwrite(*arguments):
        if next(calls) >= after:
            raise OSError(number, os.strerror(number))
        return write(*arguments)

    monkeypatch.setattr(os, "pwrite", pwrite)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_failing_disk_while_appending_loses_nothing_that_was_finished(
    tmp_path, monkeypatch, number
):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append(IMAGES[:2])
        with monkeypatch.context() as patch:
            fail_writes(patch, number, 5)
            with pytest.raises(StoreError, match=f"cannot write .*piece.*{os.strerror(number)}"):
                writer.append(IMAGES[2:])
        assert writer.done == {"i00", "i01"}
        writer.append(IMAGES[2:])
        writer.finish()
    assert len(ScoreFile(tmp_path / "w.h5").images) == NUM_IMAGES


@pytest.mark.parametrize("after", [0, 1, 10, 40])
def test_failing_disk_while_finishing_keeps_the_old_file_and_all_pieces(
    tmp_path, monkeypatch, after
):
    out = write_scores(tmp_path / "w.h5", IMAGES[:1])
    with open_writer(out, resume=True) as writer:
        writer.append(IMAGES[1:])
        with monkeypatch.context() as patch:
            fail_writes(patch, errno.ENOSPC, after)
            with pytest.raises(StoreError, match=r"w\.\S+: No space left on device\. Free some"):
                writer.finish()
    assert len(ScoreFile(out).images) == 1
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]
    with open_writer(out, resume=True) as writer:
        assert len(writer.done) == NUM_IMAGES
        writer.finish()
    assert len(ScoreFile(out).images) == NUM_IMAGES


@pytest.mark.parametrize("limit", [1_000, 15_000])
def test_real_limit_of_the_file_size_is_one_message_and_no_crash(tmp_path, limit):
    code = """
        import resource, sys
        from pathlib import Path
        from curate.errors import StoreError
        from tests.scores.making import scored_image, write_scores
        images = [scored_image(f"i{n}", size=(40, 40)) for n in range(20)]
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            write_scores(Path(sys.argv[1]), images)
        except StoreError as error:
            sys.exit(str(error))
    """
    done = run_python(code, tmp_path / "w.h5", limit)
    assert done.returncode == 1
    assert "File too large. Write to a file system without this size limit" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "w.h5").exists()


def test_parquet_tables_that_cannot_be_written_are_told(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_writer(tmp_path / "w.h5") as writer:
        writer.append(IMAGES)
        monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", fail)
        with pytest.raises(StoreError, match=r"w\.images\.parquet: No space left"):
            writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["w.h5.pieces"]  # all or nothing


def test_sink_gives_back_what_the_disk_refused(tmp_path, monkeypatch):
    def write():
        with creating_h5(tmp_path / "a") as (file, sink):
            file["a"] = list(range(1000))
            file.flush()
            fail_writes(monkeypatch, errno.ENOSPC, 0)
            file["b"] = list(range(1000))
            file.flush()
            assert sink.error is not None
            assert file["b"][999] == 999

    with pytest.raises(OSError, match="No space"):
        write()


KILLED = """
    import os, random, signal, sys
    from pathlib import Path
    from tests.scores.test_disk_faults import IMAGES
    from tests.scores.making import open_writer

    out, moment = Path(sys.argv[1]), int(sys.argv[2])
    calls = 0

    def count(function):
        def counted(*arguments, **options):
            global calls
            calls += 1
            if calls == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return counted

    for name in ("pwrite", "fsync", "open", "ftruncate", "scandir"):
        setattr(os, name, count(getattr(os, name)))
    for name in ("replace", "rename", "unlink", "mkdir"):
        setattr(Path, name, count(getattr(Path, name)))
    with open_writer(out, resume=out.exists() or Path(f"{out}.pieces").exists()) as writer:
        todo = [image for image in IMAGES if image.pair.id not in writer.done]
        for start in range(0, len(todo), 4):
            writer.append(todo[start : start + 4])
        writer.finish()
    print(calls)
"""


@pytest.fixture(scope="module")
def num_calls(tmp_path_factory):
    done = run_python(KILLED, tmp_path_factory.mktemp("whole") / "w.h5", -1)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.93, 0.97])
def test_killed_at_any_moment_resumes_to_the_undisturbed_result(tmp_path, num_calls, share):
    out = tmp_path / "w.h5"
    done = run_python(KILLED, out, round(num_calls * share))
    assert done.returncode == -signal.SIGKILL
    if out.exists():
        assert len(ScoreFile(out).images) == NUM_IMAGES
    with open_writer(out, resume=True) as writer:
        for image in IMAGES:
            if image.pair.id not in writer.done:
                writer.append([image])
        writer.finish()
    whole = write_scores(tmp_path / "whole" / "w.h5", IMAGES, dataset_root=tmp_path)
    resumed, undisturbed = ScoreFile(out), ScoreFile(whole)
    assert resumed.images.equals(undisturbed.images)
    assert resumed.regions.equals(undisturbed.regions)
    for image in IMAGES:
        for read in (ScoreFile.pixel_scores, ScoreFile.region_ids):
            assert (read(resumed, image.pair.id) == read(undisturbed, image.pair.id)).all()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["w.h5", "w.images.parquet", "w.regions.parquet", "whole"]
