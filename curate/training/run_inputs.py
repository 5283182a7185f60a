"""What a run is trained from, kept in its folder: settings, data sets, splits."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa

from curate.errors import ConfigError, RunError
from curate.files.atomic import replacing
from curate.methods import Split

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from curate.config import Config
    from curate.data.dataset import DataSource
    from curate.training.task import Task

CONFIG_NAME: Final = "config.json"
PROVENANCE_NAME: Final = "provenance.json"
SPLITS_NAME: Final = "splits.parquet"
PACKAGES: Final = ("curate-seg", "torch", "torchvision", "timm", "numpy")
"""Those that scores depend on."""

FREE_TO_CHANGE: Final = ("device", "workers", "checkpoint_every", "tensorboard")
"""Keys of [fit] that may differ when a run is resumed."""


def write_inputs(folder: Path, run_id: str, config: Config, task: Task) -> None:
    """Write ``provenance.json`` and ``splits.parquet``; ``config.json`` is written before."""
    provenance = {
        "run": run_id,
        "seed": config.fit.seed,
        "method": config.fit.method,
        "classes": {"name": task.classes.name, "names": list(task.classes.names)},
        "real_class_px": task.real_class_px.tolist(),
        "real": [describe_source(source) for source in task.real],
        "synthetic": [describe_source(source) for source in task.synthetic],
        "versions": package_versions(),
    }
    write_json(folder / PROVENANCE_NAME, provenance)
    write_splits(folder, task.splits)


def describe_source(source: DataSource) -> dict[str, Any]:
    """Describe a data set in plain values."""
    return {
        "key": source.key,
        "root": str(source.root),
        "layout": source.layout,
        "id_map": source.id_map.to_json(),
        "images": len(source.pairs),
        "fingerprint": source.fingerprint(),
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES`."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def changed_data(folder: Path, task: Task) -> list[Path]:
    """List the data sets that are not as they were when the run was started."""
    provenance = read_json(folder / PROVENANCE_NAME)
    pairs = [
        (then, source)
        for domain, sources in (("real", task.real), ("synthetic", task.synthetic))
        for then, source in zip(provenance[domain], sources, strict=True)
    ]
    return [s.root for then, s in pairs if then["fingerprint"] != s.fingerprint()]


def check_same_settings(folder: Path, config: Config) -> None:
    """Refuse to resume a run under other settings."""
    then = _flatten(read_json(folder / CONFIG_NAME))
    now = _flatten(json.loads(json.dumps(config.model_dump(mode="json"))))
    ignored = {f"fit.{name}" for name in FREE_TO_CHANGE}
    keys = sorted(k for k in then.keys() | now.keys() if then.get(k) != now.get(k))
    changed = [key for key in keys if key not in ignored]
    if changed:
        first = changed[0]
        msg = (
            f"{folder} was started with other settings: {', '.join(changed)} "
            f"(first: {then.get(first)!r} then, {now.get(first)!r} now). "
            "Restore them to resume, or start a new run without --resume."
        )
        raise ConfigError(msg)


def write_splits(folder: Path, splits: Mapping[str, Split]) -> None:
    """Write the columns ``key``, ``held_out`` and ``fold``."""
    table = pd.DataFrame(
        {
            "key": pd.Series(list(splits), dtype="str"),
            "held_out": [split.held_out for split in splits.values()],
            "fold": [split.fold for split in splits.values()],
        }
    )
    with replacing(folder / SPLITS_NAME) as partial:
        table.to_parquet(partial, index=False)


def read_splits(folder: Path) -> dict[str, Split]:
    """Read what `write_splits` wrote."""
    path = folder / SPLITS_NAME
    try:
        table = pd.read_parquet(path)
        columns = (table["key"], table["held_out"], table["fold"])
    except (OSError, KeyError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    return {
        key: Split(held_out=bool(held_out), fold=int(fold))
        for key, held_out, fold in zip(*columns, strict=True)
    }


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401 (any JSON)
    """Read a JSON file of a run."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RunError:
    """Tell that a file of a run cannot be read."""
    return RunError(f"{path} cannot be read ({error}). The run is damaged: fit again.")


def _flatten(table: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    """Flatten nested tables to dotted keys."""
    if isinstance(table, list):
        table = dict(enumerate(table))
    if not isinstance(table, dict):
        return {prefix.rstrip("."): table}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.")
    return flat
