"""How many threads compute, how many processes read, and how far ahead."""

from pathlib import Path

import pytest
import torch

from curate.config import ScoreConfig
from curate.models.devices import Device, choose_device
from curate.scoring import scorer as scorer_module
from curate.scoring.scored_image import CellPlan
from curate.scoring.scorer import Scorer, computing_threads

SETTINGS = ScoreConfig(stride=4, regions="grid", region_px=8)
CPU = choose_device("cpu", "float32")
GPU = Device(torch.device("cuda", 1), use_bfloat16=False)


@pytest.mark.parametrize(
    ("device", "allowed", "count"), [(CPU, 3, 3), (CPU, 16, 16), (CPU, 40, 16), (GPU, 40, 4)]
)
def test_threads_are_as_many_as_the_device_can_use(monkeypatch, device, allowed, count):
    settings, entered = [], []
    monkeypatch.setattr(torch.cuda, "set_device", entered.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: allowed)
    monkeypatch.setattr(torch, "set_num_threads", settings.append)
    with computing_threads(device) as (pool, num_threads):
        assert num_threads == count
        assert settings == [1]  # so that one core is left to each
        assert pool._max_workers == count
        pool.submit(int).result()
        assert settings == [1, 1]  # of the thread that was started
        assert entered == ([GPU.device] if device is GPU else [])
    assert settings == [1, 1, allowed]
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)


def test_threads_are_given_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="in the middle"), computing_threads(CPU):
        raise ValueError("in the middle")  # noqa: EM101
    assert torch.get_num_threads() == before


class Reading(Scorer):
    """Scores nothing, and remembers what it was given."""

    def __init__(self):
        self.plan, self.device, self.batch_size = CellPlan((8, 8), SETTINGS), CPU, 2

    def _finish(self, items):
        return list(items)


class Source:
    """Stands for a data set in `PreparedImages`."""

    root = Path()


@pytest.mark.parametrize("workers", [0, 3])
def test_reading_is_left_to_the_processes_that_are_asked_for(monkeypatch, workers):
    asked, ahead = [], []
    map_ahead = scorer_module.map_ahead

    class Images:
        def __init__(self, source, plan):
            asked.append((source, plan))

        def __getitem__(self, group):
            return [("read here", each) for each in group]

    def load_ahead(reader, groups, *, workers):
        asked.append(workers)
        return ([("read there", each) for each in group] for group in groups)

    def watched(pool, function, items, most):
        ahead.append(most)
        return map_ahead(pool, function, items, most)

    monkeypatch.setattr(scorer_module, "PreparedImages", Images)
    monkeypatch.setattr(scorer_module, "load_ahead", load_ahead)
    monkeypatch.setattr(scorer_module, "map_ahead", watched)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    scorer = Reading()
    found = list(scorer.score(Source, "abc", workers=workers))
    where = "read there" if workers else "read here"
    assert found == [[(where, "a"), (where, "b")], [(where, "c")]]
    assert asked == [(Source, scorer.plan), *([3] if workers else [])]
    assert ahead == [3]  # one more than there are threads
