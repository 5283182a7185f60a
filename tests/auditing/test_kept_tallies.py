"""An audit that is stopped anywhere and goes on finds what an undisturbed one finds."""

import numpy as np
import pytest

from curate.auditing import experiment
from curate.auditing.kept_tallies import KeptTallies
from curate.corruptions import CORRUPTIONS
from tests.auditing.test_experiment import SETTINGS, blind, oracle
from tests.tiny import RecordingReporter

NAMES = ("noise", "wrong_label")
NUM_CASES = 6 * (1 + 2 * 2)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(experiment, "BLOCK_BATCHES", 2)  # 8 cases: the last block has 6


def open_kept(folder, images, *, resume=True, about=None, reporter=None):
    reporter = reporter or RecordingReporter()
    return KeptTallies(folder, about or {}, images, resume=resume, reporter=reporter)


def run(images, score, kept=None):
    return experiment.measure(
        images,
        {name: CORRUPTIONS[name] for name in NAMES},
        score,
        settings=SETTINGS,
        seed=0,
        reporter=RecordingReporter(),
        kept=kept,
    )


class Counting:
    """Scores, counts the images, and kills the process before a batch."""

    def __init__(self, score, killed_at=None):
        self.score, self.killed_at = score, killed_at
        self.images = self.batches = 0

    def __call__(self, batch):
        if self.batches == self.killed_at:
            raise Killed
        self.batches += 1
        self.images += len(batch.keys)
        return self.score(batch)


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [0, 1, 3, 7])
def test_going_on_measures_the_rest_and_finds_the_same(images, tmp_path, killed_at):
    expected = run(images, oracle(images))
    with pytest.raises(Killed):
        run(images, Counting(oracle(images), killed_at), open_kept(tmp_path, images))
    rest = Counting(oracle(images))
    found = run(images, rest, open_kept(tmp_path, images))
    assert found.equals(expected)
    assert rest.images == NUM_CASES - 8 * (killed_at // 2)


def test_without_resume_nothing_is_taken_over(images, tmp_path):
    run(images, blind, open_kept(tmp_path, images))
    again = Counting(blind)
    run(images, again, open_kept(tmp_path, images, resume=False))
    assert again.images == NUM_CASES


@pytest.mark.parametrize("change", ["about", "images"])
def test_another_audit_takes_nothing_over(images, tmp_path, change):
    run(images, blind, open_kept(tmp_path, images))
    about = {"seed": 1} if change == "about" else {}
    others = images[::-1] if change == "images" else images
    again = Counting(blind)
    run(others, again, open_kept(tmp_path, others, about=about))
    assert again.images == NUM_CASES


def test_a_damaged_block_is_measured_again(images, tmp_path):
    kept = open_kept(tmp_path, images)
    expected = run(images, oracle(images), kept)
    path = sorted(kept.path.iterdir())[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    reporter, again = RecordingReporter(), Counting(oracle(images))
    assert run(images, again, open_kept(tmp_path, images, reporter=reporter)).equals(expected)
    assert again.images == 8
    assert "measured again" in reporter.warnings[0]


def test_where_nothing_can_be_kept_the_audit_is_made_and_says_so_once(images, tmp_path):
    (tmp_path / "file").write_text("")
    reporter = RecordingReporter()
    kept = open_kept(tmp_path / "file", images, reporter=reporter)
    assert run(images, blind, kept).equals(run(images, blind))
    assert len(reporter.warnings) == 1


def test_what_is_kept_can_be_removed(images, tmp_path):
    kept = open_kept(tmp_path, images)
    run(images, blind, kept)
    assert np.sum([path.stat().st_size for path in kept.path.iterdir()]) < 1e6
    kept.remove()
    assert not kept.path.exists()
