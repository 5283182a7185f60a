from pathlib import Path

import pytest

from curate.cluster import ray_cluster, ray_pool
from curate.comparing.arms import parse_arms
from curate.comparing.scheduling import choose_next, finish_on_ray
from curate.comparing.trainings import Training
from curate.config import Config, FitConfig
from curate.errors import RunError


def training(arm, draw=0, seed=0):
    config = Config(fit=FitConfig(method="streams"))
    (parsed,) = parse_arms([arm], config)
    return Training(parsed, draw, seed, Path("cmp"), config)


def chosen(queue, running, made=()):
    queue = [training(*each) for each in queue]
    found = choose_next(queue, [training(*each) for each in running], set(made))
    return found and (found.arm.name, found.draw, found.seed)


def test_what_makes_nothing_for_others_runs_beside_anything():
    assert chosen([("joint",)], [("streams",)]) == ("joint", 0, 0)
    assert chosen([("real",)], [("real", 0, 1)]) == ("real", 0, 0)


@pytest.mark.parametrize("arm", ["streams:permuted", "streams:top30", "random30", "default"])
def test_nothing_is_prepared_twice_at_a_time(arm):
    assert chosen([(arm,)], [("streams",)]) is None
    assert chosen([(arm,), ("real",)], [("streams",)]) == ("real", 0, 0)
    assert chosen([(arm, 0, 1)], [("streams",)]) is None  # one preparation serves a draw's seeds
    assert chosen([(arm, 1, 0)], [("streams",)]) == (arm, 1, 0)
    assert chosen([(arm,)], [("hierarchical",)]) == (arm, 0, 0)


def test_a_control_makes_no_fit_for_selections():
    preparation = training("streams:permuted").makes
    assert chosen([("streams:top30",)], [("streams:permuted",)], preparation) is not None
    assert chosen([("streams:top30",)], [("random30",)], preparation) is None


def test_a_fit_is_that_of_its_seed():
    made = training("streams").makes
    assert chosen([("streams:top30", 0, 1)], [("streams", 0, 1)], made) is None
    assert chosen([("streams:permuted", 0, 1)], [("streams", 0, 1)], made) is not None


def test_what_is_made_is_waited_for_by_nobody():
    made = training("streams").makes
    assert chosen([("streams:top30",)], [("random30",)], made) == ("streams:top30", 0, 0)


def test_on_a_cluster_what_others_need_is_made_first(monkeypatch):
    batches = []

    def each_part(numbers, make, cluster, on_progress):
        trainings = make()._trainings
        batches.append([each.arm.name for each in trainings])
        for number in numbers:
            failed = trainings[number].arm.name == "joint"
            yield number, None if failed else f"outcome {number}", "no disk." if failed else ""

    monkeypatch.setattr(ray_pool, "each_part", each_part)
    names = ["streams", "streams:permuted", "joint", "random30", "real"]
    trainings, found = [training(name) for name in names], []
    with pytest.raises(RunError, match=r"1 of 5 trainings failed.* draw-0\.seed-0\.joint: no disk"):
        found.extend(each.arm.name for each, _ in finish_on_ray(trainings, ray_cluster.Cluster()))
    assert batches == [["streams", "joint", "real"], ["streams:permuted"], ["random30"]]
