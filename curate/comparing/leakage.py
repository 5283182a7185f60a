"""Test images must be new to every arm."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from curate import errors, records
from curate.data.dataset import open_dataset
from curate.data.layouts.splits import check_one_split
from curate.files.atomic import sha256_file
from curate.training.task import choose_classes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from curate.config import ArmConfig, Config, DatasetConfig


def refuse_leakage(config: Config, own: Iterable[ArmConfig] = ()) -> None:
    """Refuse test images that are also trained on, under whatever name.

    Parameters
    ----------
    own : iterable of ArmConfig
        Tables of arms that may train on data of their own.

    Raises
    ------
    DataError
        Naming one such pair, and how many there are.
    """
    classes = choose_classes(config)
    datasets = [*config.real, *config.synthetic]
    datasets += [each for arm in own for each in (*arm.real, *arm.synthetic)]
    trained_files = _images(dict.fromkeys(datasets), classes)
    tested_files = _images(config.test, classes, table="test")
    both = {path.stat().st_size for path in trained_files}  # equal files are of equal size
    both &= {path.stat().st_size for path in tested_files}
    trained, tested = (
        _by_content([path for path in files if path.stat().st_size in both])
        for files in (trained_files, tested_files)
    )
    shared = sorted(set(trained) & set(tested))
    if shared:
        msg = (
            f"{len(shared):,} of {len(tested_files):,} test images are trained on, too: "
            f"{tested[shared[0]]} has the content of {trained[shared[0]]}. Give [[test]] images "
            "that are in no [[real]] or [[synthetic]] set, nor in one of an [[arm]]."
        )
        raise errors.DataError(msg, code="leakage")


def _images(
    datasets: Iterable[DatasetConfig], classes: records.ClassSet, *, table: str | None = None
) -> list[Path]:
    """List the image files of data sets."""
    found = []
    for d in datasets:
        source = open_dataset(d, classes=classes, key="x")
        if table is not None:
            check_one_split(source.root, source.pairs, table=table)
        found += [
            source.root / pair.image_path for pair in source.pairs if pair.status == records.OK
        ]
    return found


def _by_content(paths: list[Path]) -> dict[str, Path]:
    """Map the SHA-256 of each file to its path, several read at a time."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(pool.map(sha256_file, paths), paths, strict=True))
