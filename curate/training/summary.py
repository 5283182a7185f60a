"""What a fit says of itself in words: before, what it is about to do; after, what came of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from curate import costs, distributed, records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.config import Config
    from curate.training.task import Task
    from curate.training.trainer import Trainer

_AUROC: Final = "auroc_"
_WORDS: Final = ((0.95, "nearly always"), (0.8, "well"), (0.65, "somewhat"), (0.55, "hardly"))
"""How well real and synthetic are told apart, from such an AUROC upwards."""
_MAX_BATCHES: Final = 8
"""Held-out batches of synthetic images whose scores are looked at."""


def describe_work(config: Config, task: Task, path: Path) -> list[str]:
    """Say what will be trained on what, where, and for how long."""
    settings = config.fit
    height, width = settings.size
    prepare_s, train_s = costs.estimate_seconds(
        config, num_real=task.num_real, num_synthetic=task.num_synthetic
    )
    share = f", {_minutes(prepare_s)} of them to prepare" if prepare_s >= 60 else ""
    return [
        f"Run: {path}",
        f"Method {settings.method}, {settings.segmenter} at {height}x{width}, "
        f"{settings.steps:,} step{'s' * (settings.steps != 1)} of {settings.batch_size} images",
        f"{task.num_real:,} real and {task.num_synthetic:,} synthetic images; roughly "
        f"{_minutes(prepare_s + train_s)}{share}",
    ]


@distributed.by_first_rank
def describe_outcome(
    trainer: Trainer, held_out: Sequence[records.Batch], measured: Mapping[str, float]
) -> list[str]:
    """Say what the method tells apart, what is silent, and how far its scores spread."""
    method = trainer.method
    if not method.gives_scores:
        return ["The method gives no scores: this run is a baseline, not one to score with."]
    lines = []
    areas = {
        name.removeprefix(_AUROC): area
        for name, area in measured.items()
        if name.startswith(_AUROC) and math.isfinite(area)
    }
    if areas:
        best = max(areas, key=lambda name: areas[name])
        listed = ", ".join(f"{name} {area:.2f}".replace("0.", ".") for name, area in areas.items())
        lines.append(
            f"On held-out images it {_tells(areas[best])} real from synthetic by {best} "
            f"(AUROC, .5 = chance: {listed})."
        )
    if method.streams:
        active = method.active_streams
        silent = [name for name in method.streams if name not in active]
        lines.append(
            f"Active streams: {', '.join(active) or 'none'}"
            + (f"; silent: {', '.join(silent)}." if silent else ".")
        )
    return [*lines, *_describe_spread(trainer, held_out)]


def _tells(area: float) -> str:
    """Put an AUROC into words."""
    for least, word in _WORDS:
        if area >= least:
            return f"{word} tells"
    return "does not tell"


@torch.no_grad()
def _describe_spread(trainer: Trainer, held_out: Sequence[records.Batch]) -> list[str]:
    """Say how far the scores of held-out synthetic cells spread."""
    synthetic = [batch for batch in held_out if not batch.is_real.any()][:_MAX_BATCHES]
    if not synthetic:
        return []
    found = []
    for evidence in trainer.gather_held_out(synthetic):
        scores = trainer.method.scores(evidence).combined
        found.append(scores[evidence.label_map != records.IGNORE_INDEX].float().cpu())
    cells = torch.cat(found)
    if not len(cells):
        return []
    low, middle, high = (
        f"{each:.2f}".replace("0.", ".")
        for each in np.quantile(cells.numpy(), (0.1, 0.5, 0.9)).tolist()
    )
    return [
        f"Scores of held-out synthetic pixels: a tenth is below {low}, half below {middle}, a "
        f"tenth above {high}."
    ]


def _minutes(seconds: float) -> str:
    """Write a time span in words."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    return f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.1f} h"
