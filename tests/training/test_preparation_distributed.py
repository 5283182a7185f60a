"""What a method learns before the joint training, in a job of two processes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from curate.methods.streams.streams import STREAMS
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.training.fit import fit
from tests.tiny import SHAREABLE_SEGMENTER, STREAMS_METHOD, tiny_config, write_dataset
from tests.torchrun import assert_says_once_that_a_process_died, run_job, told
from tests.training.test_fit_distributed import assert_same_run, write_toml

pytestmark = pytest.mark.slow

METHOD = STREAMS_METHOD | {
    "reference_steps": 20,
    "reference_learning_rate": 0.03,
    "epochs": 12,
    "learning_rate": 0.01,
    "corruptions": ["style", "blur", "wrong_label"],
}
PARTS = METHOD["folds"] + len(STREAMS) + 1
KILLED_IN, STOPPED_IN = "TEST_KILLED_IN_PART", "TEST_STOPPED_IN_PART"

CODE = """
import hashlib, os, signal, time
from pathlib import Path
from curate.cli import main
from curate.methods.streams.method import Streams
from curate.training.trainer import Trainer

RANK = os.environ["RANK"]

def prepare(self, preparation, prepare=Streams.prepare):
    Path(f"prepared-by-{RANK}").touch()
    for progress in prepare(self, preparation):
        yield progress
        part = "" if progress.is_safe else str(progress.done + 1)
        if part and part == os.environ.get("TEST_KILLED_IN_PART"):
            os.kill(os.getpid(), signal.SIGKILL)
        if part and part == os.environ.get("TEST_STOPPED_IN_PART"):
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(2)  # until the signal has come back from there

def share_method(self, share=Trainer.share_method):
    share(self)
    digest = hashlib.sha256()
    for name, value in sorted(self.method.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    with Path(f"shared-with-{RANK}").open("a") as file:
        print(digest.hexdigest(), file=file)

Streams.prepare, Trainer.share_method = prepare, share_method
main()
"""


def config_of(root, **settings):
    """Draw a world whose synthetic images are posterised in their left half, and configure it."""
    write_dataset(root / "real", 12, is_flat=False, seed=1)
    write_dataset(root / "synthetic", 12, is_flat=False, seed=2)
    for path in (root / "synthetic/images").iterdir():
        image = np.array(Image.open(path))
        image[:, :28] = image[:, :28] // 64 * 64
        Image.fromarray(image).save(path)
    config = tiny_config(root, method=METHOD | settings, steps=10, warmup=0.2)
    return config.with_fit(method="streams", segmenter=SHAREABLE_SEGMENTER)


def launch(config, *flags, **options):
    """Fit in two processes that note who prepares and what each has learned."""
    write_toml(config)
    (config.root / "program.py").write_text(CODE)
    command = ("--", "program.py", "fit", "--json")
    return run_job(config.root, *command, *flags, OMP_NUM_THREADS="1", **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run of two processes that nothing disturbed."""
    config = config_of(tmp_path_factory.mktemp("two"))
    return config, launch(config)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run of one process, which computes as one of two does: with one thread."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        config = config_of(tmp_path_factory.mktemp("alone"))
        return config, fit(config)
    finally:
        torch.set_num_threads(num_threads)


def run_of(config):
    return config.root / "runs/run-0001"


def assert_identical(run, other):
    for name in ("segmenter.safetensors", "method.safetensors"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name


def test_first_process_prepares_and_all_learn_what_it_learned(undisturbed):
    config, done = undisturbed
    assert done.returncode == 0, done.stderr
    assert [path.name for path in config.root.glob("prepared-by-*")] == ["prepared-by-0"]
    first, second = ((config.root / f"shared-with-{rank}").read_text() for rank in (0, 1))
    assert first == second
    assert len(told(done)) == 1
    assert "Only 12 real images" in told(done)[0]


def test_two_processes_learn_what_one_learns(undisturbed, alone):
    config, done = undisturbed
    _, result = alone
    learned, expected = (
        load_file(run / "method.safetensors") for run in (run_of(config), result.run)
    )
    assert bool(expected["fusion.is_active"].any())  # or all scores were .5, whoever prepared
    for name, value in expected.items():
        if name.startswith("confidence."):  # gathered in the joint training
            torch.testing.assert_close(learned[name], value, rtol=1e-4, atol=1e-4)
        else:
            assert torch.equal(learned[name], value), name
    assert_same_run(run_of(config), result.run, atol=1e-5)
    assert json.loads(done.stdout)["measured"] == result.measured


def test_scores_are_those_of_a_run_of_one_process(undisturbed, alone, tmp_path):
    for name, (config, _) in (("two", undisturbed), ("one", alone)):
        score(config.root / "synthetic", tmp_path / f"{name}.h5", config=config, run=run_of(config))
    two, one = (ScoreFile(tmp_path / f"{name}.h5") for name in ("two", "one"))
    assert two.images["score"].nunique() > 1
    assert np.array_equal(two.images["score"], one.images["score"])
    for image_id in one.images["id"]:
        assert np.array_equal(two.pixel_scores(image_id), one.pixel_scores(image_id))


@pytest.mark.parametrize("part", [1, 4])
def test_job_killed_while_it_prepares_says_so_once_and_resumes_bit_for_bit(
    undisturbed, tmp_path, part
):
    config = config_of(tmp_path)
    dead = launch(config, one_dies=True, **{KILLED_IN: str(part)})
    assert dead.returncode == 1
    assert_says_once_that_a_process_died(dead)
    resumed = launch(config, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert f"prepare: {part - 1}/{PARTS} parts" in resumed.stderr
    assert_identical(run_of(config), run_of(undisturbed[0]))


def test_job_stopped_while_it_prepares_is_saved_and_goes_on_in_one_process(alone, tmp_path):
    config = config_of(tmp_path)
    stopped = launch(config, **{STOPPED_IN: "4"})
    assert stopped.stdout == ""
    assert told(stopped)[1:] == [
        f"warning: Interrupted; 3 of {PARTS} parts of the preparation are saved in "
        f"{config.root / 'runs' / 'run-0001'}.",
        "error: interrupted. Go on with:",
    ]
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fit(config, resume=True)
    finally:
        torch.set_num_threads(num_threads)
    assert_identical(run_of(config), alone[1].run)
