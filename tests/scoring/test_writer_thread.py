import pytest

from curate.errors import StoreError
from curate.scoring import writer_thread as writing
from curate.scoring.writer_thread import WriterThread
from tests.scores.making import open_writer, scored_image

IMAGES = [scored_image(f"i{n}") for n in range(6)]


class Recorder:
    """A writer that notes the pieces it is given, and may fail."""

    def __init__(self, fail_at=None):
        self.pieces, self.fail_at = [], fail_at

    def append(self, piece):
        if len(self.pieces) == self.fail_at:
            msg = "cannot write: the disk is full"
            raise StoreError(msg)
        self.pieces.append([image.pair.id for image in piece])


def test_images_are_written_in_pieces(monkeypatch):
    monkeypatch.setattr(writing, "PIECE_IMAGES", 4)
    recorder = Recorder()
    with WriterThread(recorder) as thread:
        for start in (0, 2, 4):
            thread.put(IMAGES[start : start + 2])
    assert recorder.pieces == [["i0", "i1", "i2", "i3"], ["i4", "i5"]]
    assert thread.busy_seconds > 0


def test_pieces_stay_below_a_size(monkeypatch):
    monkeypatch.setattr(writing, "PIECE_BYTES", 2 * len(IMAGES[0].pixel_scores.data) + 1)
    recorder = Recorder()
    with WriterThread(recorder) as thread:
        for image in IMAGES[:4]:
            thread.put([image])
    assert recorder.pieces == [["i0", "i1"], ["i2", "i3"], []]


def test_maps_of_streams_count_for_the_size(monkeypatch):
    image = scored_image("i", streams={"corruption": 0.5})
    monkeypatch.setattr(writing, "PIECE_BYTES", 3 * len(image.pixel_scores.data))
    recorder = Recorder()
    with WriterThread(recorder) as thread:
        thread.put([image])
        thread.put(IMAGES[:1])
    assert recorder.pieces == [["i"], ["i0"]]


def test_what_was_handed_over_is_written_when_interrupted(tmp_path):
    def put_and_stop(writer):
        with WriterThread(writer) as thread:
            thread.put(IMAGES[:3])
            raise KeyboardInterrupt

    with open_writer(tmp_path / "w.h5") as writer:
        with pytest.raises(KeyboardInterrupt):
            put_and_stop(writer)
        assert writer.done == {"i0", "i1", "i2"}


def test_failure_of_the_disk_is_raised_and_nobody_waits(monkeypatch):
    monkeypatch.setattr(writing, "PIECE_IMAGES", 1)
    recorder = Recorder(fail_at=1)

    def put_many():
        with WriterThread(recorder) as thread:
            for _ in range(1000):
                thread.put(IMAGES[:1])

    with pytest.raises(StoreError, match="cannot write"):
        put_many()
    assert len(recorder.pieces) == 1


def test_failure_at_the_very_end_is_raised():
    def put_one():
        with WriterThread(Recorder(fail_at=0)) as thread:
            thread.put(IMAGES[:1])

    with pytest.raises(StoreError, match="cannot write"):
        put_one()
