"""The experiment of an audit: plant every fault in every image, score, and measure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import torch

from curate.auditing.audited_images import RealImage, region_side
from curate.auditing.bootstrap import draw_resamples
from curate.auditing.measures import CorruptionTally, measure_group
from curate.auditing.result import ALL
from curate.auditing.tally import ImageTally, tally_image
from curate.corruptions import STRENGTHS, Corrupted, Corruption, LabelledImage
from curate.records import GRID_STRIDE, Batch
from curate.scoring.cells import centre_labels
from curate.scoring.regions import REGION_KINDS
from curate.scoring.scored_image import mean_colours
from curate.scoring.scorer import chunks, map_ahead
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from curate.config import ScoreConfig
    from curate.reporting import Reporter

    ScoreMaps = Callable[[Batch], torch.Tensor]

RESAMPLES: Final = 500
SHARES: Final = (0.3, 0.7)
"""Range of the share of an image's superpixels or objects that is spoiled."""
WORKERS: Final = 2
"""Threads that plant and cut while the networks compute."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to do to one image; no fault = leave it as it is."""

    index: int
    kind: str = ""
    strength: str = ""
    corruption: Corruption | None = None


def measure(
    images: Sequence[RealImage],
    corruptions: Mapping[str, Corruption],
    score: ScoreMaps,
    *,
    settings: ScoreConfig,
    seed: int,
    reporter: Reporter,
    streams: Sequence[str] = (),
) -> pd.DataFrame:
    """Plant every fault in every image, score all of them, and measure.

    Parameters
    ----------
    score : callable
        From a batch of N images to their score maps, (N, 4 + S, h, w) float32.
    streams : sequence of str
        Names of the S streams.

    Returns
    -------
    table : DataFrame
        See `AuditResult`.
    """
    cases = [Case(index) for index in range(len(images))]
    cases += [
        Case(index, kind, strength, corruption)
        for kind, corruption in corruptions.items()
        for strength in STRENGTHS
        for index in range(len(images))
    ]
    reporter.start("audit", len(cases))
    untouched: list[ImageTally] = []
    injected: dict[tuple[str, str], list[CorruptionTally]] = {}
    for done, (case, tally) in enumerate(_tally_all(cases, images, score, settings, seed), start=1):
        if case.corruption is None:
            untouched.append(tally)
        else:
            group = injected.setdefault((case.kind, case.strength), [])
            group.append(CorruptionTally(case.index, tally))
        reporter.advance(done)
    reporter.finish()
    times = draw_resamples(len(images), count=RESAMPLES, seed=seed)
    rows: list[dict[str, Any]] = []
    for kind in (ALL, *corruptions):
        for strength in (ALL, *STRENGTHS):
            group = [
                item
                for (k, s), items in injected.items()
                if kind in (ALL, k) and strength in (ALL, s)
                for item in items
            ]
            named = {"kind": kind, "strength": strength}
            rows += [named | row for row in measure_group(group, untouched, times, streams)]
    return pd.DataFrame(rows)


def _tally_all(
    cases: Sequence[Case],
    images: Sequence[RealImage],
    score: ScoreMaps,
    settings: ScoreConfig,
    seed: int,
) -> Iterator[tuple[Case, ImageTally]]:
    """Plant in threads, score in batches."""
    size = settings.batch_size

    def corrupt(case: Case) -> tuple[Case, Corrupted, NDArray[np.int64]]:
        injected = inject_case(case, images, seed=seed)
        regions = REGION_KINDS[settings.regions](
            centre_labels(injected.label_map, GRID_STRIDE),
            region_side(images[case.index], settings.region_px) / GRID_STRIDE,
            lambda: mean_colours(torch.from_numpy(injected.image), GRID_STRIDE),
        )
        return case, injected, regions

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for group in chunks(map_ahead(pool, corrupt, cases, 2 * size), size):
            batch = Batch(
                images=torch.from_numpy(np.stack([injected.image for _, injected, _ in group])),
                label_map=torch.from_numpy(np.stack([p.label_map for _, p, _ in group])),
                is_real=torch.zeros(len(group), dtype=torch.bool),
                keys=tuple(images[case.index].key for case, _, _ in group),
            )
            maps = score(batch)
            for (case, injected, regions), levels in zip(group, maps.numpy(), strict=True):
                tally = tally_image(levels, injected.label_map, injected.is_corrupted, regions)
                yield case, tally


def inject_case(case: Case, images: Sequence[RealImage], *, seed: int) -> Corrupted:
    """Spoil one image; the same for the same seed, whichever other cases there are."""
    real = images[case.index]
    if case.corruption is None:
        return Corrupted(real.image, real.label_map, np.zeros(real.label_map.shape, bool))
    rng = stable_rng(seed, real.key, case.kind, case.strength)
    share = rng.uniform(*SHARES)
    other = (case.index + int(rng.integers(1, max(2, len(images))))) % len(images)
    donor = images[other]
    source = LabelledImage(real.image, real.label_map, donor.image, donor.label_map)
    return case.corruption.inject(source, rng, strength=case.strength, share=share)
