"""Score every synthetic data set of a configuration, a score file each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import distributed, errors, reporting
from curate.files.state import note
from curate.scores import targets, writer
from curate.scoring.score import score

if TYPE_CHECKING:
    from curate.config import Config
    from curate.scoring.work import ScoreResult


def score_all(
    out: Path | str,
    *,
    config: Config,
    reporter: reporting.Reporter | None = None,
    **options: Any,  # noqa: ANN401
) -> list[ScoreResult]:
    """Score every ``[[synthetic]]`` data set with one run.

    Parameters
    ----------
    out : Path
        ``weights.h5``: each set is scored into ``weights.<name>.h5`` beside it; without a suffix,
        into the folder ``weights-<name>``.
    config : Config
        Its ``[[synthetic]]`` tables, each as it says.
    **options
        As for `curate.score`, but for `reading`.

    Returns
    -------
    results : list of ScoreResult
        In the order of the tables. Later commands take all these files by default.

    Raises
    ------
    UsageError
        If there is no such table, two sets have one name, or a score file is there already.
    ConfigError, DataError, RunError, StoreError
        As `curate.score`.
    """
    reporter = reporter or reporting.default_reporter()
    outs = name_outputs(Path(out), config)
    for path in outs:  # before the work begins what a later set would be refused for
        target = targets.resolve_target(path.absolute())
        flags = {name: bool(options.get(name)) for name in ("overwrite", "resume")}
        writer.refuse_existing(target, **flags)
    results = []
    with distributed.init_distributed(options.get("device", "auto")) as world:
        for dataset, path in zip(config.synthetic, outs, strict=True):
            is_begun = targets.resolve_target(path.absolute()).exists()
            results.append(
                score(
                    dataset.path,
                    path,
                    config=config.model_copy(update={"synthetic": (dataset,)}),
                    reading=dataset,
                    is_noted=False,
                    reporter=reporter,
                    **options | {"command": (*options.get("command", ()), str(dataset.path))},
                )
            )
            if is_begun and not results[-1].scored:
                reporter.note(f"{path} was finished before.")
        if world.is_first and options.get("shard", "1/1") == "1/1":
            note(config.root, reporter, scores=outs)
    return results


def add_up(results: list[ScoreResult], out: Path) -> ScoreResult:
    """Count what was done for all sets as if they were one; `out` stands for several files."""
    seconds = sum(each.seconds for each in results)
    scored = sum(each.scored for each in results)
    statuses: Counter[str] = Counter()
    for each in results:
        statuses.update(each.statuses)
    return replace(
        results[0],
        out=out if len(results) > 1 else results[0].out,
        name="+".join(each.name for each in results),
        scored=scored,
        skipped=sum(each.skipped for each in results),
        failed=sum(each.failed for each in results),
        regions=sum(each.regions for each in results),
        seconds=round(seconds, 2),
        images_per_second=round(scored / seconds, 2) if seconds else 0.0,
        writing_seconds=round(sum(each.writing_seconds for each in results), 3),
        statuses=dict(statuses),
    )


def name_outputs(out: Path, config: Config) -> list[Path]:
    """Name the score file of each synthetic set.

    Raises
    ------
    UsageError
        If there is none, or two have one name.
    """
    if not config.synthetic:
        msg = (
            "there is no [[synthetic]] data set to score in curate.toml: name the folder of one, "
            "as in: curate score gta5/ --out weights.h5"
        )
        raise errors.UsageError(msg)
    names = [dataset.called for dataset in config.synthetic]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        msg = (
            f"two [[synthetic]] data sets are called '{twice}': write name = \"..\" into the table "
            "of one of them in curate.toml."
        )
        raise errors.UsageError(msg)
    _ = targets.resolve_target(out)  # raises if it is no name for scores
    if not out.suffix or out.is_dir():
        return [out.with_name(f"{out.name}-{name}") for name in names]
    return [out.with_name(f"{out.stem}.{name}{out.suffix}") for name in names]
