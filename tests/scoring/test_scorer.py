import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from curate.config import ScoreConfig
from curate.data.dataset import open_dataset
from curate.errors import RunError
from curate.models.devices import choose_device
from curate.scores.columns import ScoredImage
from curate.scoring.scored_image import CellPlan
from curate.scoring.scorer import Scorer, chunks, computing_threads, map_ahead, share_weights
from curate.training.loaded_run import load_run
from tests.tiny import write_dataset

PLAN = CellPlan((32, 48), ScoreConfig(stride=4, regions="label_tiles", region_px=16))
CPU = choose_device("cpu", "float32")


@pytest.fixture(scope="module")
def scorer(finished_run):
    loaded = load_run(finished_run[1], finished_run[0])
    loaded.networks.method.is_inactive.zero_()
    return Scorer(loaded, PLAN, CPU, batch_size=4)


@pytest.fixture(scope="module")
def source(tmp_path_factory, finished_run):
    root = write_dataset(tmp_path_factory.mktemp("scoring") / "pool", 11, is_flat=True, seed=3)
    classes = load_run(finished_run[1], finished_run[0]).classes
    return open_dataset(root, layout="auto", id_map=None, classes=classes, key="new")


def all_scores(scorer, source, pairs, **options):
    batches = scorer.score(source, pairs, **({"workers": 0} | options))
    return [image for batch in batches for image in batch]


def assert_same(one: ScoredImage, other: ScoredImage):
    assert one.pair == other.pair
    assert one.means == other.means
    assert one.pixel_scores == other.pixel_scores
    assert one.pixel_weights == other.pixel_weights
    assert one.region_ids == other.region_ids
    assert np.array_equal(one.regions.score, other.regions.score, equal_nan=True)


def test_scores_do_not_depend_on_the_images_that_come_with_them(scorer, source):
    together = all_scores(scorer, source, source.pairs)
    assert [image.pair for image in together] == list(source.pairs)
    assert len({image.means["score"] for image in together}) == 11
    for number in (0, 3, 10):
        assert_same(all_scores(scorer, source, [source.pairs[number]])[0], together[number])


def test_scores_do_not_depend_on_the_number_of_threads(scorer, source):
    before = torch.get_num_threads()
    results = []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            results.append(all_scores(scorer, source, source.pairs))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert_same(one, other)


@pytest.mark.slow
def test_reading_in_a_process_changes_nothing(scorer, source):
    one, other = (all_scores(scorer, source, source.pairs[:5], workers=n) for n in (0, 1))
    for first, second in zip(one, other, strict=True):
        assert_same(first, second)


def test_broken_images_come_out_in_their_place(scorer, source):
    missing = source.pairs[1]._replace(image_path="images/none.png")
    images = all_scores(scorer, source, [source.pairs[0], missing, source.pairs[2]])
    assert [image.status for image in images] == ["ok", "missing_image", "ok"]
    images = all_scores(scorer, source, [missing])
    assert [image.status for image in images] == ["missing_image"]


def test_batches_of_large_images_are_small_on_a_cpu(scorer):
    run = SimpleNamespace(networks=scorer._networks)
    for size, expected in (((32, 48), 8), ((512, 1024), 2), ((1024, 2048), 1)):
        plan = replace(scorer.plan, size=size)
        assert Scorer(run, plan, CPU, batch_size=8).batch_size == expected


def test_twins_share_weights_but_no_hooks(scorer):
    networks = scorer._networks
    copy = share_weights(networks)
    for name, value in networks.segmenter.state_dict().items():
        assert copy.segmenter.state_dict()[name].data_ptr() == value.data_ptr()
    handle = networks.segmenter.register_forward_hook(lambda *_: pytest.fail("a foreign hook"))
    try:
        with torch.no_grad():
            copy.segmenter(torch.rand(1, 3, 32, 48))
            with pytest.raises(pytest.fail.Exception):
                networks.segmenter(torch.rand(1, 3, 32, 48))
    finally:
        handle.remove()


def test_out_of_memory_says_what_to_lower(scorer, source, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(type(scorer._networks.method), "scores", fail)
    with pytest.raises(RunError, match=r"batches of 4\. Lower batch_size in \[score\]"):
        all_scores(scorer, source, source.pairs)


def test_mapping_ahead_keeps_order_and_holds_few():
    started = []

    def work(item):
        started.append(item)
        return item * 10

    with computing_threads(CPU) as (pool, _):
        results = map_ahead(pool, work, iter(range(20)), 3)
        assert next(results) == 0
        assert len(started) <= 3
        assert list(results) == [n * 10 for n in range(1, 20)]


def test_leaving_early_starts_nothing_more():
    started, gate = [], threading.Event()

    def work(item):
        started.append(item)
        gate.wait(10)

    with computing_threads(CPU) as (pool, num_threads):
        results = map_ahead(pool, work, iter(range(100)), 50)
        threading.Timer(0.2, gate.set).start()
        next(results)
        results.close()
    assert len(started) <= 50 + num_threads


def test_chunks_keep_every_item():
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
