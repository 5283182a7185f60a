"""The networks of a run: built from its configuration, and what the method sees of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from curate import corruptions, errors, grid, methods, models, records, seeding
from curate.config import Config, Strict, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Networks:
    """A segmenter, a method, and the backbone stages that the method looks at."""

    segmenter: models.Segmenter
    method: methods.Method
    stages: tuple[str, ...]


def build_networks(
    config: Config,
    *,
    num_classes: int,
    real_class_px: Sequence[int],
    splits: Mapping[str, methods.Split],
    is_restored: bool,
) -> Networks:
    """Build untrained networks; the same seed gives the same ones.

    Parameters
    ----------
    is_restored : bool
        Whether weights will be loaded into all of them: no pretrained ones are looked for.

    Raises
    ------
    ConfigError
        If the method, its settings, the segmenter or a backbone stage is unknown.
    """
    kind, settings = _choose_method(config)
    stages = kind.stages(settings)
    torch.manual_seed(seeding.stable_seed(config.fit.seed, "segmenter"))
    weights = "none" if is_restored else config.fit.backbone_weights
    segmenter = models.build_segmenter(config.fit.segmenter, num_classes, weights)
    channels = segmenter.feature_channels(stages, config.fit.size) if stages else {}
    seed = config.fit.seed_before if kind.prepares else config.fit.seed
    torch.manual_seed(seeding.stable_seed(seed, "method"))
    context = methods.MethodContext(
        num_classes=num_classes,
        feature_channels=channels,
        real_class_px=real_class_px,
        splits=splits,
        build_segmenter=partial(models.build_segmenter, config.fit.segmenter, num_classes, weights),
        build_encoder=partial(
            models.build_segmenter,
            num_classes=num_classes,
            backbone_weights="none" if is_restored else "auto",
        ),
    )
    return Networks(segmenter, kind.build(settings, context), stages)


def check_method(config: Config) -> int:
    """Check what the method needs and what its settings name, before there is any work to lose.

    Returns
    -------
    num_folds : int
        Folds that the images are assigned to.

    Raises
    ------
    ConfigError
        If the method, one of its settings, a backbone stage or a corruption is unknown, or a
        package or a synthetic data set is needed and there is none.
    """
    kind, settings = _choose_method(config)
    kind.check(settings)
    if names := kind.corruptions(settings):
        try:
            corruptions.choose_corruptions(names)
        except errors.UsageError as error:
            msg = f"[method]: corruptions: {error}"
            raise errors.ConfigError(msg) from error
    if stages := kind.stages(settings):
        models.build_segmenter(config.fit.segmenter, 2, "none").check_stages(stages)
    if encoder := kind.encoder_stages(settings):
        models.build_segmenter(encoder[0], 2, "none").check_stages(encoder[1])
    if kind.gives_scores and not config.synthetic:
        msg = (
            f"method = '{config.fit.method}' needs a synthetic data set. Add a [[synthetic]] table "
            "to curate.toml (fit takes --synthetic DIR, too), or train on real images with "
            "method = 'uniform'."
        )
        raise errors.ConfigError(msg)
    return kind.num_folds(settings)


def gather_evidence(
    batch: records.Batch, images: torch.Tensor, prediction: models.Prediction
) -> records.Evidence:
    """Put together, detached, what weighting networks may look at.

    Parameters
    ----------
    batch : Batch
        On the device of the segmenter.
    images : (N, 3, H, W) float32
        The batch's images in [0, 1].
    prediction : Prediction
        The segmenter's output for them.
    """
    cells = grid.grid_size(*batch.label_map.shape[1:])
    return records.Evidence(
        predictions=grid.probabilities(prediction.logits.detach(), *cells),
        label_map=grid.centres(batch.label_map).long(),
        images=images,
        is_real=batch.is_real,
        keys=batch.keys,
        features={name: f.detach() for name, f in prediction.features.items()},
    )


def uncropped_evidence(
    batch: records.Batch, uncropped: records.Uncropped, num_classes: int
) -> records.Evidence:
    """Put together what is known of the synthetic images before their random changes."""
    label_map = grid.centres(uncropped.label_map).long()
    synthetic = [row for row, is_real in enumerate(batch.is_real.tolist()) if not is_real]
    return records.Evidence(
        predictions=label_map.new_empty((len(label_map), num_classes, 0, 0), dtype=torch.float32),
        label_map=label_map,
        images=to_unit_range(uncropped.images),
        is_real=torch.zeros(len(label_map), dtype=torch.bool, device=label_map.device),
        keys=tuple(batch.keys[row] for row in synthetic),
    )


def to_unit_range(images: torch.Tensor) -> torch.Tensor:
    """Turn uint8 images into float32 in [0, 1]."""
    return images.float().div_(255)


def _choose_method(config: Config) -> tuple[type[methods.Method], Strict]:
    """Look up the method and check its settings."""
    name = config.fit.method
    kind = methods.find_method(name)
    for other, table in config.method_tables.items():
        if other not in methods.METHODS:
            hint = errors.did_you_mean(other, methods.METHODS, cutoff=0.5)
            msg = f"[method.{other}]: there is no such method. {hint or ', '.join(methods.METHODS)}"
            raise errors.ConfigError(msg)
        if other != name.partition(":")[0]:
            parse(methods.METHODS[other].Settings, table, where=f"[method.{other}]")
    return kind, parse(kind.Settings, config.method_settings, where=f"[method] of {name}")
