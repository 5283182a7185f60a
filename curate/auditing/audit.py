"""Inject known corruptions into held-out real images, and measure how well scores find them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from curate import __version__, errors, reporting
from curate.auditing import audited_images, experiment, kept_tallies, result
from curate.checking import memory
from curate.corruptions import CORRUPTIONS, STRENGTHS, choose_corruptions
from curate.models import devices
from curate.scoring.scorer import put_to_use, score_maps
from curate.training import loaded_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.config import Config
    from curate.dataset_config import ReadingConfig

FEW_IMAGES: Final = 10


def audit(
    *,
    config: Config,
    run: Path | str | None = None,
    real: Sequence[Path | str] = (),
    reading: ReadingConfig | None = None,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    images: int = 48,
    seed: int = 0,
    device: str = "auto",
    out: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trust_run: bool = False,
    reporter: reporting.Reporter | None = None,
) -> result.AuditResult:
    """Measure how well the scores of a run find corrupted pixels, regions and images.

    Every corruption is injected, at every strength, into every image, at the size that the run's
    networks get. What was found is also kept in the run's folder, in place of what an earlier
    audit found, for whoever looks at scores of the run.

    Parameters
    ----------
    config : Config
        Its ``[score]`` table defines the regions; its record of runs names the newest one.
    run : Path, optional
        Run folder; the newest finished one by default.
    real : sequence of Path
        Folders of real images that took no part in the training; by default the run's own
        held-out ones.
    reading : ReadingConfig, optional
        Of the folders in `real`, where neither the configuration nor the run names them.
    corruptions : sequence of str
        Keys of `curate.corruptions.CORRUPTIONS`.
    images : int
        At most so many images are used, evenly spaced.
    seed : int
        Start of all random numbers.
    out : Path, optional
        ``.csv`` or ``.parquet`` file for the whole table.
    resume : bool
        Go on with what an interrupted audit of the same run, images and settings has measured; it
        is kept in ``.curate/audits`` beside curate.toml.
    trust_run : bool
        Whether code that the run names may run, though `config` does not name it.

    Raises
    ------
    UsageError, DataError, RunError, StoreError
    """
    reporter = reporter or reporting.default_reporter()
    started = time.monotonic()
    injected = choose_corruptions(corruptions)
    if images < 1:
        msg = f"images = {images}: at least one image is needed."
        raise errors.UsageError(msg)
    target = Path(out) if out else None
    if target:
        result.check_table_path(target, overwrite=overwrite or resume)
    loaded = loaded_run.open_scoring_run(run, config, trust_run=trust_run)
    candidates = _list_candidates(loaded, config, real, reading, reporter)
    size = loaded.config.fit.size
    chosen = audited_images.read_images(candidates, size, count=images, reporter=reporter)
    of = ", ".join(map(str, real)) or "what the run held out of its real images"
    reporter.note(f"Run: {loaded.path} ({loaded.config.fit.method})")
    reporter.note(f"Images: {len(chosen)} of {len(candidates)} of {of}")
    if len(chosen) < FEW_IMAGES:
        reporter.warn(
            f"The audit has {len(chosen)} of {FEW_IMAGES} images that intervals need to be of use. "
            "Name a folder with more held-out real images with --real DIR."
        )
    where = devices.choose_device(device, loaded.config.fit.precision)
    networks = put_to_use(loaded.networks, where, size)
    num_maps = 4 + len(networks.method.streams)  # of what weights follow from nothing is measured
    about = {
        "checkpoint": loaded.checkpoint_sha256,
        "settings": config.score.model_dump(mode="json"),
        "corruptions": list(injected),
        "seed": seed,
        "device": str(where.device),
        "versions": [__version__, torch.__version__],
    }
    unfinished = config.root / memory.FOLDER_NAME / kept_tallies.FOLDER_NAME
    kept = kept_tallies.KeptTallies(unfinished, about, chosen, resume=resume, reporter=reporter)
    try:
        table = experiment.measure(
            chosen,
            injected,
            lambda batch: score_maps(networks, where, batch)[:, :num_maps],
            settings=config.score,
            seed=seed,
            reporter=reporter,
            streams=networks.method.streams,
            kept=kept,
        )
    except KeyboardInterrupt:
        reporter.warn("Interrupted; what was measured is kept for --resume.")
        raise
    if target:
        result.write_table(table, target, is_kept=resume and not overwrite)
    kept.remove()
    found = result.AuditResult(
        run=loaded.path,
        images=len(chosen),
        corruptions=tuple(injected),
        strengths=STRENGTHS,
        table=table,
        streams=networks.method.streams,
        seconds=round(time.monotonic() - started, 2),
        out=target,
    )
    result.keep_record(found, reporter)
    return found


def _list_candidates(
    loaded: loaded_run.LoadedRun,
    config: Config,
    real: Sequence[Path | str],
    reading: ReadingConfig | None,
    reporter: reporting.Reporter,
) -> list[audited_images.Candidate]:
    """List the images that may be corrupted: those of the named folders, or held-out ones."""
    if not real:
        return audited_images.held_out_candidates(loaded)
    folders = [Path(folder) for folder in real]
    return audited_images.named_candidates(
        folders, loaded, config, reading=reading, reporter=reporter
    )
