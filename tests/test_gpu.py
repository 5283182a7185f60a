"""The default method on GPUs, the whole way; runs where there are some."""

import json
import signal

import numpy as np
import pytest
import torch

from curate.auditing.audit import audit
from curate.reporting import SilentReporter
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.training.evaluation import evaluate
from curate.training.fit import fit
from tests.tiny import STREAMS_METHOD, tiny_config
from tests.torchrun import run_job

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
TOLERANCE = 0.1
"""By which the scores of bfloat16 on a GPU and of float32 on a CPU may differ."""


class Interrupting(SilentReporter):
    """Acts like Ctrl-C after some steps of the training."""

    def __init__(self, at):
        self.at, self.task = at, ""

    def start(self, task, total, done=0, *, unit="images"):
        self.task = task

    def advance(self, done, values=None):
        if self.task == "fit" and done >= self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose training on the GPU was interrupted and resumed."""
    root = tmp_path_factory.mktemp("gpu")
    method = STREAMS_METHOD | {"reference_steps": 40, "reference_learning_rate": 0.03, "epochs": 8}
    config = tiny_config(root, method=method, steps=40, device="cuda").with_fit(method="streams")
    with pytest.raises(KeyboardInterrupt):
        fit(config, reporter=Interrupting(at=7))
    result = fit(config, resume=True)
    assert result.device == "cuda"
    return config, result.run


def maps_of(path):
    file = ScoreFile(path)
    return np.stack([file.pixel_scores(name) for name in file.images["id"]])


def test_scores_are_near_those_of_a_cpu(run, tmp_path):
    config, folder = run
    found = []
    for device in ("cuda", "cpu"):
        out = tmp_path / f"{device}.h5"
        result = score(config.root / "synthetic", out, config=config, run=folder, device=device)
        assert (result.scored, result.failed) == (9, 0)
        found.append(maps_of(out))
    assert np.abs(found[0] - found[1]).mean() < TOLERANCE


def test_audit_and_evaluation_compute_on_the_gpu(run):
    config, folder = run
    found = audit(config=config, run=folder, corruptions=["style"], images=2, device="cuda")
    assert found.images == 1  # the one that is held out
    torch.cuda.reset_peak_memory_stats()
    measured = evaluate(folder, config.root / "real", device="cuda", config=config)
    assert measured.images == 6
    assert torch.cuda.max_memory_allocated() > 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_score_what_one_does(run, tmp_path):
    config, folder = run
    alone = tmp_path / "alone.h5"
    score(config.root / "synthetic", alone, config=config, run=folder, device="cuda")
    command = (
        "-m",
        "--",
        "curate",
        "score",
        config.root / "synthetic",
        "--out",
        tmp_path / "two.h5",
    )
    flags = ("--run", folder, "--trust-run", "--device", "cuda", "--json")
    done = run_job(tmp_path, *command, *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scored"] == 9
    assert np.abs(maps_of(alone) - maps_of(tmp_path / "two.h5")).mean() < TOLERANCE / 10
