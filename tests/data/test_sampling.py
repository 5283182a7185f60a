from __future__ import annotations

from pathlib import Path

import pytest

from curate.data.dataset import DataSource
from curate.data.idmaps import IdMap
from curate.data.sampling import NUM_SPARE, DomainOrder, plan_steps
from curate.errors import DataError
from curate.job import World
from curate.records import ClassSet, Pair

NOTHING = frozenset()


def source(key, ids, status="ok"):
    pairs = tuple(Pair(name, f"{name}.png", f"{name}.png", status) for name in ids)
    return DataSource(
        Path(key), "folder", IdMap("m", {0: 0}), ClassSet("c", ("a", "b")), pairs, key
    )


def order(sources, seed=0, exclude=NOTHING):
    return DomainOrder(sources, "real", seed=seed, exclude=exclude)


def ids(candidates):
    return [candidate.pair.id for candidate in candidates]


def test_every_image_is_drawn_once_an_epoch():
    drawn = ids(order([source("r0", "abcd"), source("r1", "efg")]).take(0, 21))
    for epoch in range(3):
        assert sorted(drawn[7 * epoch : 7 * epoch + 7]) == list("abcdefg")
    assert drawn[:7] != drawn[7:14]


def test_position_alone_decides():
    sources = [source("r0", "abcdefgh")]
    complete = order(sources).take(0, 30)
    assert order(sources).take(13, 9) == complete[13:22]
    assert [candidate.position for candidate in complete] == list(range(30))


def test_seed_changes_the_order():
    sources = [source("r0", "abcdefgh")]
    assert ids(order(sources, seed=0).take(0, 8)) != ids(order(sources, seed=1).take(0, 8))


def test_excluded_and_unfit_images_are_never_drawn():
    sources = [source("r0", "ab"), source("r1", "a"), source("r2", "xyz", "missing_label")]
    drawn = order(sources, exclude=frozenset({"r0:a"})).take(0, 10)
    assert {(draw.source, draw.pair.id) for draw in drawn} == {(0, "b"), (1, "a")}


def test_nothing_left_to_draw_is_an_error():
    with pytest.raises(DataError, match="None of the 1 real images can be drawn: 1 are held back"):
        order([source("r0", "a")], exclude=frozenset({"r0:a"}))


def test_step_takes_its_half_of_each_domain_and_spares():
    real, synthetic = order([source("r0", "abc")]), order([source("s0", "xyz")])
    (plan,) = plan_steps(real, synthetic, batch_size=4, steps=range(5, 6))
    assert (plan.num_real, plan.num_synthetic) == (2, 2)
    assert [candidate.position for candidate in plan.real] == list(range(10, 12 + NUM_SPARE))
    assert len(plan.synthetic) == 2 + NUM_SPARE


def test_without_synthetic_all_are_real():
    (plan,) = plan_steps(order([source("r0", "abc")]), None, batch_size=4, steps=range(1))
    assert (plan.num_real, plan.num_synthetic, plan.synthetic) == (4, 0, [])


def test_processes_share_a_step_and_never_stand_in_with_the_same_image():
    real, synthetic = order([source("r0", "abcdefghi")]), order([source("s0", "xyz")])
    steps = {"batch_size": 8, "steps": range(3, 4)}
    (complete,) = plan_steps(real, synthetic, **steps)
    worlds = [World(rank, 2, rank) for rank in range(2)]
    shares = [next(plan_steps(real, synthetic, **steps, world=world)) for world in worlds]
    assert [(share.num_real, share.num_synthetic) for share in shares] == [(2, 2)] * 2
    for domain, count in (("real", 4), ("synthetic", 4)):
        first, second = (getattr(share, domain) for share in shares)
        assert first[:2] + second[:2] == getattr(complete, domain)[:count]
        assert len(first) == len(second) == 2 + NUM_SPARE
        spares = (
            {candidate.position for candidate in first[2:]},
            {candidate.position for candidate in second[2:]},
        )
        assert not spares[0] & spares[1]
        assert min(spares[0] | spares[1]) == 3 * 4 + 4
