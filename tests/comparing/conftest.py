"""A comparison whose trainings, evaluations and selections are noted and left out."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from curate.comparing import trainings
from curate.config import DatasetConfig
from curate.training.run_record import write_run
from tests.tiny import tiny_config, write_dataset


class Seen(defaultdict):
    """The settings of each arm's stages by name; all run folders and settings; test folders."""

    def confusion(self, run):
        """What the evaluation of a run is to find."""
        return np.eye(3, dtype=np.int64)


@pytest.fixture
def config(tmp_path):
    write_dataset(tmp_path / "test", 3, is_flat=False, seed=9)
    test = (DatasetConfig(path=tmp_path / "test"),)
    return tiny_config(tmp_path, steps=4).model_copy(update={"test": test})


@pytest.fixture
def trained(monkeypatch):
    """Note what is trained and evaluated, and do neither."""
    seen = Seen(list)

    def fit(config, *, out, resume, shared, reporter):
        assert resume == out.exists()
        seen["runs"].append((out, config))
        if out.parent.name != "fits":
            seen[out.parent.name].append(config)
        out.mkdir(parents=True, exist_ok=True)
        write_run(out, status="finished")
        pd.DataFrame({"ess": [np.nan, 0.5]}).to_parquet(out / "metrics.parquet")
        return SimpleNamespace(run=out, trained_seconds=2.0)

    def evaluate(run, dataset, **_):
        seen["tests"].append(dataset)
        return SimpleNamespace(confusion=seen.confusion(run), failed=0)

    monkeypatch.setattr(trainings, "fit", fit)
    monkeypatch.setattr(trainings, "evaluate", evaluate)
    return seen


@pytest.fixture
def selected(monkeypatch):
    """Note what is selected by which run, and keep 30 % in a folder of a name of its own."""
    seen = []

    def select(config, selection, *, run, work, seed, reporter):
        seen.append((selection, run, seed))
        only = config.synthetic[0].model_copy(update={"path": work / "subset-0"})
        return config.model_copy(update={"synthetic": (only,)}), 0.3

    monkeypatch.setattr(trainings, "select_synthetic", select)
    return seen
