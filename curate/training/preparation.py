"""What a method may learn from before the joint training: images, and corruptions of them."""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from curate import corruptions, errors, grid, methods, records, seeding
from curate.data.batches import evaluation_batches, training_batches
from curate.training.task import Task, pick_evenly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.config import Config

MAX_REAL: Final = 120
MAX_SYNTHETIC: Final = 300
"""Images of each domain that a method learns from; evenly spaced where there are more."""
MAX_CELLS: Final = 12_000_000
"""Cells of them together, whose features take some 200 bytes each: large images are fewer."""
FEWEST: Final = 20
"""Images of each domain that are used, however large they are."""

SHARES: Final = (0.2, 0.7)
"""Range of the share of an image's superpixels or objects that is corrupted."""


def gather_preparation(task: Task, config: Config) -> methods.Preparation:
    """Read the images, and offer to draw from them and to corrupt them."""
    real = _read(task, config, real=True)
    return methods.Preparation(
        real=real,
        synthetic=_read(task, config, real=False),
        draw_real=partial(_draw_real, task, config),
        inject=partial(inject_corruptions, real, config.fit.seed_before),
        choose_superpixels=choose_superpixels,
        seed=config.fit.seed_before,
        num_steps=config.fit.steps,
    )


def inject_corruptions(
    real: records.Batch,
    seed: int,
    names: Sequence[str],
    times: int,
    most: int,
    folds: Sequence[int],
) -> Iterator[methods.Injected]:
    """Yield every real image as it is, then with every corruption at every strength, `times` over.

    Where these would be more than `most`, each image gets some of them in turn, so that all are
    injected about equally often. Donors are of the same fold: what is pasted is as new to a
    fold's reference segmenter as the image itself.
    """
    chosen = _choose(names)
    plans = list(product(chosen, corruptions.STRENGTHS, range(times)))
    images, labels = real.images.numpy(), real.label_map.numpy()
    every = -(-len(images) * len(plans) // most)
    for row in range(len(images)):
        nothing = np.zeros(labels[row].shape, bool)
        yield row, corruptions.Corrupted(images[row], labels[row], nothing), True
        donors = [other for other, fold in enumerate(folds) if fold == folds[row] and other != row]
        for name, strength, number in plans[-row % every :: every]:
            rng = seeding.stable_rng(seed, real.keys[row], name, strength, number)
            donor = int(rng.choice(donors)) if donors else row
            source = corruptions.LabelledImage(
                images[row], labels[row], images[donor], labels[donor]
            )
            share = rng.uniform(*SHARES)
            corrupted = chosen[name].inject(source, rng, strength=strength, share=share)
            yield row, corrupted, chosen[name].is_mismatch


def choose_superpixels(
    image: torch.Tensor, label_map: torch.Tensor, share: float, rng: np.random.Generator
) -> torch.Tensor | None:
    """Choose some superpixels of an image (3, H, W) uint8: (H, W) bool; None if it has no class."""
    own = image.numpy(), label_map.numpy()
    if (own[1] == records.IGNORE_INDEX).all():
        return None
    return torch.from_numpy(corruptions.LabelledImage(*own, *own).choose_superpixels(rng, share))


def most_images(size: tuple[int, int]) -> tuple[int, int]:
    """Count the real and the synthetic images of a size that a method learns from at most.

    Examples
    --------
    >>> most_images((180, 240)), most_images((1024, 2048))
    ((120, 300), (26, 65))
    """
    fitting = MAX_CELLS // math.prod(grid.grid_size(*size))
    share = min(1.0, fitting / (MAX_REAL + MAX_SYNTHETIC))
    real, synthetic = (max(FEWEST, round(share * most)) for most in (MAX_REAL, MAX_SYNTHETIC))
    return real, synthetic


def _read(task: Task, config: Config, *, real: bool) -> records.Batch:
    """Read the usable images of a domain, or as many as are needed, into one batch."""
    sources = task.real if real else task.synthetic
    usable = [
        (source, pair)
        for source in sources
        for pair in source.pairs
        if source.key_of(pair) in task.splits
    ]
    chosen = pick_evenly(usable, most_images(config.fit.size)[0 if real else 1])
    batches = list(
        evaluation_batches(
            chosen, size=config.fit.size, batch_size=config.fit.batch_size, is_real=real
        )
    )
    if not batches:
        msg = f"There are no {'real' if real else 'synthetic'} images to learn from. Add some."
        raise errors.DataError(msg, code="no_images")
    return records.Batch(
        images=torch.cat([batch.images for batch in batches]),
        label_map=torch.cat([batch.label_map for batch in batches]),
        is_real=torch.cat([batch.is_real for batch in batches]),
        keys=tuple(key for batch in batches for key in batch.keys),
    )


def _draw_real(
    task: Task, config: Config, excluded: frozenset[str], steps: int
) -> Iterator[records.Batch]:
    """Draw randomly changed batches of real images only."""
    return training_batches(
        task.real,
        (),
        size=config.fit.size,
        batch_size=config.fit.batch_size,
        seed=config.fit.seed_before,
        first_step=0,
        num_steps=steps,
        augment=config.augment,
        workers=0,
        pin_memory=False,
        exclude=task.unusable | excluded,
    )


def _choose(names: Sequence[str]) -> dict[str, corruptions.Corruption]:
    """Look corruptions up; a mixture is of those named beside it, so that no other is injected."""
    chosen = corruptions.choose_corruptions(names)
    singles = [each for each in chosen.values() if not isinstance(each, corruptions.Mixture)]
    return {
        name: corruptions.Mixture(singles)
        if singles and isinstance(each, corruptions.Mixture)
        else each
        for name, each in chosen.items()
    }
