"""`curate check`: look at data sets as a whole, and say what is wrong with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate import costs, errors, records, remote, reporting
from curate.checking import coverage, facts, file_faults, judgement, leave_out, problems, survey
from curate.config import Config, DatasetConfig, FitConfig, load_config
from curate.data import dataset
from curate.data.classes import UNNAMED
from curate.dataset_config import ReadingConfig
from curate.training.task import choose_classes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.cluster.ray_cluster import Cluster

NO_FOLDER: Final = ("no_folder", "unreadable_folder")
"""Codes of errors by which there is nothing to look at."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was seen.

    Attributes
    ----------
    images, ok : int
        Images of all data sets, and those that can be used.
    minutes : dict of str to float
        Estimates for ``fit`` and ``score``; empty where there is nothing to fit.
    problems : list of Problem
    surveys : tuple of Survey
    coverages : list of Coverage
        What each side shows.
    size : (int, int) or None
        What images will be resized to.
    fix_list : Path or None
    num_left_out : int
        Files that it names.
    """

    images: int
    ok: int
    minutes: dict[str, float]
    problems: list[problems.Problem]
    surveys: tuple[facts.Survey, ...]
    coverages: list[coverage.Coverage]
    size: tuple[int, int] | None = None
    fix_list: Path | None = None
    num_left_out: int = 0

    @property
    def is_failed(self) -> bool:
        """Whether any problem is an error."""
        return any(p.severity == "error" for p in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {
            "images": self.images,
            "ok": self.ok,
            "minutes": self.minutes,
            "problems": [p.to_json() for p in self.problems],
            "datasets": [_describe(each) for each in self.surveys],
            "fix_list": self.fix_list and str(self.fix_list),
            "left_out": self.num_left_out,
        }


@dataclass(slots=True)
class _Opened:
    """Data sets that could be opened, and the problems of those that could not."""

    found: list[tuple[dataset.DataSource, facts.Side]] = field(default_factory=list)
    problems: list[problems.Problem] = field(default_factory=list)

    def add(
        self, listed: DatasetConfig, side: facts.Side, classes: records.ClassSet, key: str
    ) -> None:
        """Open a data set, or note why that cannot be done."""
        try:
            source = dataset.open_dataset(listed, classes=classes, key=key)
        except errors.DataError as error:
            if error.code in NO_FOLDER and not side:
                raise
            self.problems.append(problems.make_problem(error.code, str(error), dataset=listed.path))
        else:
            self.found.append((source, side))


def check(
    target: Path | str = "curate.toml",
    *,
    config: Config | None = None,
    reading: ReadingConfig | None = None,
    fix_list: Path | str | None = None,
    overwrite: bool = False,
    is_deep: bool = True,
    ray: Cluster | None = None,
    reporter: reporting.Reporter | None = None,
) -> CheckResult:
    """Look at one data set, or at all those of a curate.toml.

    Interrupted, it goes on where it was when it is called again: what was seen is kept beside
    curate.toml.

    Parameters
    ----------
    target : Path
        Folder of a data set, or a TOML file.
    config : Config, optional
        For a folder: classes, size, and what the configuration says of that set.
    reading : ReadingConfig, optional
        For a folder: override what the configuration says of it.
    fix_list : Path, optional
        Where to write the files that are better left out.
    overwrite : bool
        Whether `fix_list` may be replaced.
    is_deep : bool
        Whether to decode the images, too: what duplicates and blank images are found by.
    ray : Cluster, optional
        Look on the nodes of a Ray cluster, which share the folders of the data sets.

    Raises
    ------
    UsageError, ConfigError, StoreError
    RunError
        If parts could not be looked at on the cluster; what was seen of the others is kept.
    DataError
        If a single data set is no folder at all.
    """
    reporter = reporter or reporting.default_reporter()
    target = remote.as_path(target)
    if fix_list is not None:
        leave_out.refuse_existing(Path(fix_list), overwrite=overwrite)
    size: tuple[int, int] | None
    if target.suffix == ".toml" and not target.is_dir():
        config = load_config(target)
        opened, size = _open_all(config), config.fit.size
    else:
        config = config or Config()
        is_set = config.real or config.synthetic or config.fit != FitConfig()
        opened, size = (
            _open_one(target, config, reading or ReadingConfig()),
            config.fit.size if is_set else None,
        )
    look = partial(
        survey.survey, project=config.root, reporter=reporter, is_deep=is_deep, cluster=ray
    )
    surveys = tuple(look(source, side=side) for source, side in opened.found)
    found = opened.problems + judgement.judge(surveys, size=size)
    written = 0
    if fix_list is not None:
        written = leave_out.write_fix_list(Path(fix_list), found)
    return CheckResult(
        images=sum(len(each.facts) for each in surveys),
        ok=sum(map(_count_usable, surveys)),
        minutes=_estimate(config, surveys),
        problems=found,
        surveys=surveys,
        coverages=list(_measure_coverages(surveys)),
        size=size,
        fix_list=Path(fix_list) if fix_list is not None else None,
        num_left_out=written,
    )


def _open_all(config: Config) -> _Opened:
    """Open every data set of a configuration; one that cannot be opened is a problem."""
    opened = _Opened()
    classes = choose_classes(config)
    for side, listed in _sides(config):
        for number, each in enumerate(listed):
            opened.add(each, side, classes, f"{side[0]}{number}")
    return opened


def _open_one(path: Path, config: Config, reading: ReadingConfig) -> _Opened:
    """Open a folder, as the configuration says if it lists it."""
    found: tuple[DatasetConfig, facts.Side] = (DatasetConfig(path=path), "")
    for name, tables in _sides(config):
        for table in tables:
            if table.path.resolve() == path.resolve():
                found = (table, name)
    listed, side = found
    listed = listed.read_as(reading)
    opened = _Opened()
    try:
        classes = _choose_classes(listed, config)
    except errors.DataError as error:
        if error.code in NO_FOLDER:
            raise
        opened.problems.append(problems.make_problem(error.code, str(error), dataset=path))
    else:
        opened.add(listed, side, classes, "d0")
    return opened


def _sides(config: Config) -> tuple[tuple[facts.Side, Sequence[DatasetConfig]], ...]:
    """List the tables of each side."""
    return ("real", config.real), ("synthetic", config.synthetic), ("test", config.test)


def _choose_classes(listed: DatasetConfig, config: Config) -> records.ClassSet:
    """Take the classes in use, else those of the layout or the id map, else all ids."""
    if config.classes is not None or config.real:
        return choose_classes(config)
    return dataset.own_classes(listed) or UNNAMED


def _count_usable(survey: facts.Survey) -> int:
    """Count the images that can be used."""
    return sum(not file_faults.is_left_out(survey, each) for each in survey.facts)


def _measure_coverages(surveys: Sequence[facts.Survey]) -> Iterator[coverage.Coverage]:
    """Measure what each side shows; of a single set, what it shows."""
    for side in ("real", "synthetic", "test", ""):
        own = [each for each in surveys if each.side == side]
        if own:
            yield coverage.measure_coverage(side or own[0].source.root.name, own)


def _estimate(config: Config, surveys: Sequence[facts.Survey]) -> dict[str, float]:
    """Estimate minutes, where there is something to fit."""
    counts = Counter({each.side: 0 for each in surveys})
    for each in surveys:
        counts[each.side] += _count_usable(each)
    return costs.estimate_minutes(
        config,
        num_real=counts["real"],
        num_synthetic=counts["synthetic"],
        num_scored=counts["synthetic"] or counts[""] or counts["real"],
    )


def _describe(survey: facts.Survey) -> dict[str, Any]:
    """Describe a data set for ``--json``."""
    source = survey.source
    shapes = Counter((f.height, f.width) for f in survey.readable()).most_common(1)
    return {
        "path": str(source.root),
        "side": survey.side or None,
        "layout": source.layout,
        "id_map": source.id_map.name,
        "images": len(survey.facts),
        "ok": _count_usable(survey),
        "size": list(shapes[0][0]) if shapes else None,
    }
