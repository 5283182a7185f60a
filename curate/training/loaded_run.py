"""A finished run, loaded for scoring, auditing or evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from curate import errors, records, remote
from curate.config import Config, parse
from curate.data.dataset import DataSource, open_dataset
from curate.dataset_config import DatasetConfig, ReadingConfig
from curate.files import atomic, checkpoint, state, transfer
from curate.models.registry import is_factory
from curate.training import run_folder, run_provenance, run_record
from curate.training.networks import Networks, build_networks

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A finished run: its settings, its networks with their trained weights, its provenance."""

    path: Path
    run_id: str
    checkpoint_sha256: str
    config: Config
    classes: records.ClassSet
    networks: Networks
    provenance: dict[str, Any]

    def source_key(self, fingerprint: str) -> str | None:
        """Key of the training data set with this fingerprint; None if it took no part."""
        sources = self.provenance["synthetic"] + self.provenance["real"]
        return next((s["key"] for s in sources if s["fingerprint"] == fingerprint), None)


def load_run(path: Path, config: Config | None = None, *, trust_run: bool = False) -> LoadedRun:
    """Load a run folder, which may be a stranger's: no code that it names is run by itself.

    Parameters
    ----------
    config : Config, optional
        The user's own: factories of segmenters that it names may run.
    trust_run : bool
        Whether any may.

    Raises
    ------
    RunError
        If the run is missing, unfinished, damaged, or from a newer version, or names a factory
        that is not trusted.
    """
    given = remote.as_path(path)
    path = transfer.fetch(given)
    record = run_record.read_finished(path)
    for name, expected in (
        (run_folder.SEGMENTER_NAME, record.segmenter_sha256),
        (run_folder.METHOD_NAME, record.method_sha256),
    ):
        if atomic.sha256_file(path / name) != expected:
            msg = (
                f"{path / name} is not the file that was written (its SHA-256 differs). Fit again."
            )
            raise errors.RunError(msg)
    settings_path = path / run_record.SETTINGS_NAME
    settings = parse(Config, run_record.read_json(settings_path), where=str(settings_path))
    strange = _factories(settings) - (_factories(config) if config else set())
    if strange and not trust_run:
        name = min(strange)
        msg = (
            f"{path} was trained with segmenter '{name}': code that would run now, and that your "
            f"curate.toml does not name. If you trust it, score and audit take --trust-run; or "
            f"write segmenter = '{name}' under [fit]."
        )
        raise errors.RunError(msg)
    provenance = run_provenance.read_provenance(path)
    if len(settings.real) != len(provenance.real):
        msg = (
            f"{path} is damaged: its settings name {len(settings.real)} real data sets, its "
            f"provenance {len(provenance.real)}. Fit again."
        )
        raise errors.RunError(msg)
    classes = records.ClassSet(provenance.classes.name, provenance.classes.names)
    networks = build_networks(
        settings,
        num_classes=len(classes),
        real_class_px=provenance.real_class_px,
        splits=run_record.read_splits(path),
        is_restored=True,
    )
    _load_into(networks.segmenter, path / run_folder.SEGMENTER_NAME)
    _load_into(networks.method, path / run_folder.METHOD_NAME)
    return LoadedRun(
        path=given,
        run_id=record.run_id,
        checkpoint_sha256=record.checkpoint_sha256,
        config=settings,
        classes=classes,
        networks=networks,
        provenance=provenance.model_dump(),
    )


def load_segmenter(path: Path, segmenter: nn.Module) -> None:
    """Load the weights of a finished run's segmenter into another one of the same kind.

    Raises
    ------
    RunError
        If the run is missing or unfinished, or its segmenter does not fit.
    """
    path = transfer.fetch(remote.as_path(path))
    _ = run_record.read_finished(path)
    _load_into(segmenter, path / run_folder.SEGMENTER_NAME)


def open_scoring_run(
    run: Path | str | None, config: Config, *, trust_run: bool = False
) -> LoadedRun:
    """Load a run, by default the newest finished one of the project; see `load_run`.

    Raises
    ------
    UsageError
        If none is named and none is known.
    RunError
        If it is unfit, or its method gives no scores.
    """
    runs = partial(run_record.find_finished, config.root / run_folder.RUNS_NAME)
    path = remote.as_path(run) if run else state.latest_run(config.root, runs)
    loaded = load_run(path, config, trust_run=trust_run)
    if not loaded.networks.method.gives_scores:
        name = loaded.config.fit.method
        msg = f"{loaded.path} was trained with method '{name}', which gives no scores."
        raise errors.RunError(msg)
    return loaded


def open_known_dataset(
    dataset: Path, config: Config, run: LoadedRun, *, reading: ReadingConfig | None = None
) -> DataSource:
    """Open a data set as flags, curate.toml, or the run that knows it say."""
    dataset = remote.as_path(dataset)
    listed = next(
        (
            item
            for item in (*config.synthetic, *config.real, *run.config.synthetic, *run.config.real)
            if item.path.resolve() == dataset.resolve()
        ),
        None,
    )
    known = DatasetConfig(path=dataset) if listed is None else listed
    return open_dataset(known.read_as(reading or ReadingConfig()), classes=run.classes, key="new")


def _factories(config: Config) -> set[str]:
    """Name all code that settings make curate import."""
    tables = [config.fit.model_dump(), config.method, *config.method_tables.values()]
    for arm in config.arm:
        tables += [arm.fit, arm.settings]
    texts = (value for table in tables for value in table.values() if isinstance(value, str))
    return set(filter(is_factory, texts))


def _load_into(network: nn.Module, path: Path) -> None:
    """Load weights that must fit exactly."""
    tensors: dict[str, Tensor]
    tensors, _ = checkpoint.load_state(path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        msg = (
            f"{path} does not fit the networks of its run: it is damaged, or of another version of "
            "curate. Run 'curate fit' again."
        )
        raise errors.RunError(msg) from error
