"""The experiment of an audit: inject every corruption into every image, score, and measure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import torch

from curate import records, reporting, seeding
from curate.auditing import audited_images, kept_tallies, measures, ranking, result
from curate.corruptions import STRENGTHS, Corrupted, Corruption, LabelledImage
from curate.scoring import cells, regions, scored_image, scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from curate.config import ScoreConfig

    ScoreMaps = Callable[[records.Batch], torch.Tensor]

RESAMPLES: Final = 500
SHARES: Final = (0.3, 0.7)
"""Range of the share of an image's superpixels or objects that is corrupted."""
WORKERS: Final = 2
"""Threads that corrupt and cut images while the networks compute."""
BLOCK_BATCHES: Final = 8
"""Batches whose tallies are kept in one file."""


@dataclass(frozen=True, slots=True)
class Case:
    """What to inject into one image; without a corruption it is left as it is."""

    index: int
    name: str = ""
    strength: str = ""
    corruption: Corruption | None = None


def measure(
    images: Sequence[audited_images.RealImage],
    corruptions: Mapping[str, Corruption],
    score: ScoreMaps,
    *,
    settings: ScoreConfig,
    seed: int,
    reporter: reporting.Reporter,
    streams: Sequence[str] = (),
    kept: kept_tallies.KeptTallies | None = None,
) -> pd.DataFrame:
    """Inject every corruption into every image, score all of them, and measure.

    Parameters
    ----------
    score : callable
        From a batch of N images to their score maps, (N, 4 + S, h, w) float32.
    streams : sequence of str
        Names of the S streams.
    kept : KeptTallies, optional
        What an earlier call measured, and where this one keeps what it does.

    Returns
    -------
    table : DataFrame
        See `AuditResult`.
    """
    cases = [Case(index) for index in range(len(images))]
    cases += [
        Case(index, name, strength, corruption)
        for name, corruption in corruptions.items()
        for strength in STRENGTHS
        for index in range(len(images))
    ]
    reporter.start("audit", len(cases))
    untouched: list[measures.ImageTally] = []
    injected: dict[tuple[str, str], list[tuple[int, measures.ImageTally]]] = {}
    tallied = _tally_blocks(cases, images, score, settings, seed, kept)
    for done, (case, tally) in enumerate(tallied, start=1):
        if case.corruption is None:
            untouched.append(tally)
        else:
            injected.setdefault((case.name, case.strength), []).append((case.index, tally))
        reporter.advance(done)
    reporter.finish()
    times = ranking.draw_resamples(len(images), count=RESAMPLES, seed=seed)
    rows: list[dict[str, Any]] = []
    for name in (result.ALL, *corruptions):
        for strength in (result.ALL, *STRENGTHS):
            group = [
                item
                for (n, s), items in injected.items()
                if name in (result.ALL, n) and strength in (result.ALL, s)
                for item in items
            ]
            named = {"corruption": name, "strength": strength}
            measured = measures.measure_group(group, untouched, times, streams)
            rows += [named | row for row in measured]
    return pd.DataFrame(rows)


def _tally_blocks(
    cases: Sequence[Case],
    images: Sequence[audited_images.RealImage],
    score: ScoreMaps,
    settings: ScoreConfig,
    seed: int,
    kept: kept_tallies.KeptTallies | None,
) -> Iterator[tuple[Case, measures.ImageTally]]:
    """Take each block of cases from what is kept, or measure and keep it."""
    blocks = scorer.chunks(cases, BLOCK_BATCHES * settings.batch_size)
    for number, block in enumerate(blocks):
        known = kept.read(number) if kept else None
        if known is not None:
            yield from zip(block, known, strict=True)
            continue
        tallies = []
        for case, tally in _tally_all(block, images, score, settings, seed):
            tallies.append(tally)
            yield case, tally
        if kept:
            kept.write(number, tallies)


def _tally_all(
    cases: Sequence[Case],
    images: Sequence[audited_images.RealImage],
    score: ScoreMaps,
    settings: ScoreConfig,
    seed: int,
) -> Iterator[tuple[Case, measures.ImageTally]]:
    """Inject in threads, score in batches."""
    size, stride = settings.batch_size, records.GRID_STRIDE

    def corrupt(case: Case) -> tuple[Case, Corrupted, NDArray[np.int64]]:
        injected = inject_case(case, images, seed=seed)
        side = audited_images.region_side(images[case.index], settings.region_px)
        region_ids = regions.REGION_KINDS[settings.regions](
            cells.centre_labels(injected.label_map, stride),
            side / stride,
            lambda: scored_image.mean_colours(torch.from_numpy(injected.image), stride),
        )
        return case, injected, region_ids

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for group in scorer.chunks(scorer.map_ahead(pool, corrupt, cases, 2 * size), size):
            batch = records.Batch(
                images=torch.from_numpy(np.stack([each.image for _, each, _ in group])),
                label_map=torch.from_numpy(np.stack([each.label_map for _, each, _ in group])),
                is_real=torch.zeros(len(group), dtype=torch.bool),
                keys=tuple(images[case.index].key for case, _, _ in group),
            )
            maps = score(batch)
            for (case, injected, region_ids), scores in zip(group, maps.numpy(), strict=True):
                truth = injected.label_map, injected.is_corrupted
                yield case, measures.tally_image(scores, *truth, region_ids)


def inject_case(case: Case, images: Sequence[audited_images.RealImage], *, seed: int) -> Corrupted:
    """Corrupt one image; the same for the same seed, whichever other cases there are."""
    real = images[case.index]
    if case.corruption is None:
        return Corrupted(real.image, real.label_map, np.zeros(real.label_map.shape, bool))
    rng = seeding.stable_rng(seed, real.key, case.name, case.strength)
    share = rng.uniform(*SHARES)
    other = (case.index + int(rng.integers(1, max(2, len(images))))) % len(images)
    donor = images[other]
    source = LabelledImage(real.image, real.label_map, donor.image, donor.label_map)
    return case.corruption.inject(source, rng, strength=case.strength, share=share)
