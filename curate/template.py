"""A curate.toml to start from, written from the models that check it."""

from __future__ import annotations

import json
import os
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from curate import proposals, remote
from curate.config import CONFIG_NAME, AugmentConfig, Config, DatasetConfig, FitConfig, ScoreConfig
from curate.data import classes
from curate.data.dataset import default_classes
from curate.errors import DataError, UsageError
from curate.files.atomic import check_writable, replacing
from curate.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from curate.dataset_config import ReadingConfig

_HEAD: Final = """\
# Settings of curate; those that stand here have their default values. Paths are relative to this
# file, and an option of a command beats what is set here."""

_EXAMPLES: Final = {
    "real": "path/to/real",
    "synthetic": "path/to/synthetic",
    "test": "path/to/other_real",
}


def init(
    folder: Path,
    *,
    real: Sequence[Path] = (),
    synthetic: Sequence[Path] = (),
    reading: ReadingConfig | None = None,
) -> Path:
    """Write ``curate.toml`` with every setting, its default and what it means.

    Parameters
    ----------
    folder : Path
        Where to write it; made if missing.
    real, synthetic : sequence of Path
        Data sets to list, relative to the working directory. They need not exist yet; of those
        that do, layout, split, version of the id map and a size of the right aspect ratio are
        filled in.
    reading : ReadingConfig, optional
        Patterns of those whose layout is not known; by default they are guessed.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    UsageError
        If there is such a file already.
    StoreError
        If it cannot be written.
    """
    path = folder / CONFIG_NAME
    _refuse_existing(path)
    check_writable(folder)
    real, synthetic = ([remote.as_path(path) for path in paths] for paths in (real, synthetic))
    text = _render(folder, real, synthetic, reading)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
        _refuse_existing(path)  # once more: another process may have been quicker
    return path


def _refuse_existing(path: Path) -> None:
    """Leave alone whatever is at `path`."""
    if os.path.lexists(path):
        msg = f"{path} exists already and is left as it is. Edit it, or delete it first."
        raise UsageError(msg)


def _render(
    folder: Path,
    real: Sequence[Path],
    synthetic: Sequence[Path],
    reading: ReadingConfig | None,
) -> str:
    """Write the whole file."""
    method = FitConfig().method
    how: dict[str, Any] = {"project": folder, "reading": reading}
    seen_real = [proposals.propose(path, "real", **how) for path in real]
    seen_synthetic = [proposals.propose(path, "synthetic", **how) for path in synthetic]
    size = next((seen.size for seen in seen_real if seen.size), None)
    parts = [
        _HEAD,
        _classes(real),
        *_tables("real", real, folder, seen_real),
        *_tables("synthetic", synthetic, folder, seen_synthetic),
        *_test_tables(real, folder, seen_real),
        "[fit]\n" + render_settings(FitConfig, chosen={"size": size} if size else {}),
        f"[method.{method}]  # settings for fit.method = {to_toml(method)}\n"
        + render_settings(METHODS[method].Settings, is_active=False),
        "[augment]\n" + render_settings(AugmentConfig),
        "[score]\n" + render_settings(ScoreConfig),
    ]
    return "\n\n".join(parts) + "\n"


def _classes(real: Sequence[Path]) -> str:
    """Name the class set of the first real data set, if its layout tells it."""
    lines = _meaning(Config, "classes", suffix=f" Built in: {', '.join(classes.CLASS_SETS)}.")
    try:
        known = default_classes(real[0]) if real and real[0].is_dir() else None
    except DataError:
        known = None
    if known is not None:
        return "\n".join([*lines, f"classes = {to_toml(known.name)}"])
    return "\n".join([*lines, f"# classes = {to_toml('camvid11')}"])


def _tables(
    domain: str, datasets: Sequence[Path], folder: Path, seen: Sequence[proposals.Proposal]
) -> list[str]:
    """Write a table for each data set of a domain, or show what one looks like."""
    id_map = _meaning(DatasetConfig, "id_map", prefix="id_map: ")
    if not datasets:
        example = [f"# [[{domain}]]", f"# path = {to_toml(_EXAMPLES[domain])}"]
        return ["\n".join([*example, f"# layout = {to_toml('auto')}", *id_map])]
    tables = []
    for dataset, proposal in zip(datasets, seen, strict=True):
        path = to_toml(_relative(dataset, folder))
        lines = [f"[[{domain}]]", f"path = {path}"]
        if proposal.image:
            lines += [f"image = {to_toml(proposal.image)}", f"label = {to_toml(proposal.label)}"]
        else:
            lines.append(f"layout = {to_toml(proposal.layout)}")
        if proposal.split:
            lines.append(f"split = {to_toml(proposal.split)}")
        mapped = f"id_map = {to_toml(proposal.id_map)}" if proposal.id_map else ""
        tables.append("\n".join([*lines, *id_map, mapped or f"# id_map = {to_toml('ids.toml')}"]))
    return tables


def _test_tables(
    real: Sequence[Path], folder: Path, seen: Sequence[proposals.Proposal]
) -> list[str]:
    """Name the splits that real data sets keep for measuring, or show how to name a set."""
    kept = [pair for pair in zip(real, seen, strict=True) if pair[1].test_split]
    tests = [replace(proposal, split=proposal.test_split) for _, proposal in kept]
    tables = _tables("test", [path for path, _ in kept], folder, tests)
    meaning = "Real images that no training sees: curate compare measures on them."
    return ["\n".join([*comment(meaning), tables[0]]), *tables[1:]]


def _relative(dataset: Path, folder: Path) -> str:
    """Write a path relative to `folder` where it lies inside, else absolute."""
    if remote.is_url(dataset):
        return str(remote.as_path(dataset))
    path, base = (Path(os.path.abspath(p)) for p in (dataset, folder))  # noqa: PTH100
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def render_settings(
    model: type[BaseModel], *, is_active: bool = True, chosen: Mapping[str, Any] | None = None
) -> str:
    """Write each setting of a table: what it means, its choices, its default.

    Parameters
    ----------
    model : type of BaseModel
        Its fields have descriptions.
    is_active : bool
        Whether the defaults are written as settings, or as comments that show them. A setting
        without a default value is always a comment.
    chosen : mapping of str to Any, optional
        Values that stand in place of the default.
    """
    given = chosen or {}
    blocks = [
        "\n".join(
            [
                *_meaning(model, name),
                f"{name} = {to_toml(given[name])}"
                if name in given
                else _setting(name, field, is_active=is_active),
            ]
        )
        for name, field in model.model_fields.items()
    ]
    return "\n\n".join(blocks)


def _meaning(model: type[BaseModel], name: str, *, prefix: str = "", suffix: str = "") -> list[str]:
    """Say in comment lines what a setting means, and what may be chosen."""
    field = model.model_fields[name]
    meaning = (field.description or "").replace("`", "")
    return comment(prefix + meaning + _choices(field.annotation, meaning) + suffix)


def comment(text: str) -> list[str]:
    """Wrap text into comment lines."""
    return textwrap.wrap(text, 80, initial_indent="# ", subsequent_indent="# ")


def to_toml(value: Any) -> str:  # noqa: ANN401
    """Write a string, a number, a truth value or a list of these as TOML.

    Raises
    ------
    UsageError
        If a string cannot be written as UTF-8 (a file name of unknown encoding).
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            msg = f"{value!r} is not valid UTF-8, which curate.toml must be: rename that folder."
            raise UsageError(msg) from error
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(to_toml, value))}]"
    return json.dumps(value)


def _setting(name: str, field: FieldInfo, *, is_active: bool) -> str:
    """Write one line: the setting, or a comment that shows it."""
    if field.default is None:  # TOML knows no null: show a value that may be given
        (example,) = field.examples or ([0] if int in get_args(field.annotation) else [""])
        return f"# {name} = {to_toml(example)}"
    return f"{'' if is_active else '# '}{name} = {to_toml(field.default)}"


def _choices(annotation: Any, meaning: str) -> str:  # noqa: ANN401
    """List the values that a setting may have, unless its meaning names them all."""
    if get_origin(annotation) is not Literal:
        return ""
    choices = [str(choice) for choice in get_args(annotation)]
    return "" if all(c in meaning for c in choices) else f" One of {', '.join(choices)}."
