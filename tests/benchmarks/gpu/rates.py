"""How fast `score` is, beside reading, computing and pooling alone."""

from __future__ import annotations

import os
import time

from torch.utils.data import Dataset

from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.data.workers import load_ahead
from curate.models.devices import choose_device
from curate.scoring.score import score
from curate.scoring.scored_image import CellPlan, prepare
from curate.scoring.scorer import Scorer, chunks, computing_threads, map_ahead
from curate.training.loaded_run import load_run
from tests.benchmarks.gpu.drawn import make_config
from tests.benchmarks.gpu.recorder import Recorder


class Decoder(Dataset):
    """Reads the images and labels of a batch, and forgets them."""

    def __init__(self, source):
        self.source = source

    def __getitem__(self, pairs):
        return [read_pair(self.source, pair).label_map.shape[0] for pair in pairs]


def _link(check, count):
    """Make a set of `count` images by linking the synthetic ones again and again."""
    folder = check.work / f"many-{count}"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            target = folder / part / f"{index:06d}.png"
            if not target.exists():
                origin = f"{index % check.num_synthetic:05d}.png"
                os.link(check.work / "synthetic" / part / origin, target)
    return folder


def score_streams(check):
    """`score` with the method `streams`."""
    _measure(check, "streams", 16 if check.is_dry else 400)


def score_hierarchical(check):
    """`score` with the method `hierarchical`."""
    _measure(check, "hierarchical", 16 if check.is_dry else 800)


def _measure(check, method, count):
    """Images a second of the command, and of each of its parts alone."""
    config, run, data = make_config(check, method), check.runs[method], _link(check, count)
    recorder = Recorder(watches=not check.is_dry)
    check.reset_peak()
    cpu, began = time.process_time(), time.monotonic()
    result = score(
        data,
        check.work / f"{method}.h5",
        config=config,
        run=run,
        workers=check.readers,
        device=check.device,
        overwrite=True,
        reporter=recorder,
    )
    wall = time.monotonic() - began
    cores = (time.process_time() - cpu) / wall
    recorder.stop()
    rate, busy = recorder.rate("score"), recorder.busy(began + 0.4 * wall, began + wall)
    check.put(f"score {method}: images/s once readers run", rate)
    check.put(f"score {method}: images/s with start-up", result.images_per_second)
    name = f"score {method}: main process, cores busy (about 1 = held by the GIL)"
    check.put(name, cores)
    check.put(f"score {method}: GPU busy %", busy)
    check.put(f"score {method}: writing, share", result.writing_seconds / result.seconds)
    check.put(f"score {method}: peak GiB", check.peak_gib())
    loaded = load_run(run, trust_run=True)
    plan = CellPlan(check.size, config.score)
    device = choose_device(check.device, "auto")
    scorer = Scorer(loaded, plan, device, batch_size=config.score.batch_size)
    source = open_dataset(data, layout="auto", id_map=None, classes=loaded.classes, key="new")
    if "read alone: images/s" not in check.results:
        check.put("read alone: images/s", _read_alone(check, source, scorer.batch_size))
    compute = _compute_alone(check, method, scorer, source, plan)
    bound = min(compute, check.results["read alone: images/s"])
    check.put(f"score {method}: share of the smaller of reading and computing", rate / bound)


def _read_alone(check, source, batch_size):
    """Read all images in processes, without the first fifth, in which these start."""
    seen, first = 0, None
    groups = chunks(source.pairs, batch_size)
    for sizes in load_ahead(Decoder(source), groups, workers=check.readers):
        seen += len(sizes)
        if first is None and seen >= 0.2 * len(source.pairs):
            first = (seen, time.monotonic())
    return (seen - first[0]) / (time.monotonic() - first[1])


def _compute_alone(check, method, scorer, source, plan):
    """Run the networks over one batch again and again, then pool its maps again and again."""
    batch = [prepare(source, pair, plan) for pair in source.pairs[: scorer.batch_size]]
    times = 2 if check.is_dry else 12
    with computing_threads(scorer.device) as (pool, threads):
        list(map_ahead(pool, scorer.compute, [batch] * threads, threads))
        began = time.monotonic()
        list(map_ahead(pool, scorer.compute, [batch] * times, threads + 1))
        compute = times * scorer.batch_size / (time.monotonic() - began)
        maps = scorer.compute(batch)

        def pool_all(_):
            return [scorer._pool_scores(item, each) for item, each in zip(batch, maps, strict=True)]

        began = time.monotonic()
        list(map_ahead(pool, pool_all, range(times), threads + 1))
        pooled = times * len(batch) / (time.monotonic() - began)
    check.put(f"compute alone, {method}: images/s", compute)
    check.put(f"pool alone, {method}, {threads} threads: images/s", pooled)
    return compute
