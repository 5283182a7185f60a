"""The hidden heart: what each arm really trains on, from where, and with what.

Every arm is trained for a few steps as it is, and what its segmenter begins with, each batch that
it gets, and every file that is read for it are noted.
"""

from collections import defaultdict

import pytest
import torch
from PIL import Image

from curate.comparing import trainings
from curate.comparing.compare import compare
from curate.config import ArmConfig, DatasetConfig
from curate.data import pairs
from curate.training.trainer import Trainer
from tests.tiny import RecordingReporter, tiny_config, write_dataset

STEPS, BATCH, NUM_REAL, SEEDS = 4, 4, 4, (0, 1)
TOGETHER = ("joint", "constant:0.3", "default", "default:permuted", "default:inverted", "mine")
"""Arms that draw from all real and all synthetic images."""

SELECTIONS = ("default:top30", "random30:pixel")
ARMS = ("real", "real-matched", "synthetic", "finetune", "joint-real", *TOGETHER, *SELECTIONS)


class Stage:
    """What one stage of a training began with, got, and ended with."""

    def __init__(self, trainer):
        self.start = weights(trainer)
        self.batches = []

    def images(self, *, real):
        """Key, pixels and labels of the images of a domain in each step."""
        return [
            [
                (key, image.tolist(), label_map.tolist())
                for key, image, label_map, is_real in zip(
                    batch.keys, batch.images, batch.label_map, batch.is_real, strict=True
                )
                if is_real == real
            ]
            for batch in self.batches
        ]


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.segmenter.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Stages by arm and seed, and the files that were read for them."""
    root = tmp_path_factory.mktemp("fair")
    config = tiny_config(root, steps=STEPS, batch_size=BATCH)
    test = write_dataset(root / "test", 3, is_flat=False, seed=9)
    for number in range(9):
        (root / "maps/images").mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 100 + number).save(root / f"maps/images/{number:03d}.png")
    own = ArmConfig(name="mine", method="given", settings={"maps": str(root / "maps")})
    config = config.model_copy(update={"test": (DatasetConfig(path=test),), "arm": (own,)})
    stages, files, now = defaultdict(list), set(), []
    evaluate, step, read = trainings.evaluate, Trainer.step, pairs.read_files

    def noted_training(training):
        now[:] = [(training.arm.name, training.seed)]
        return run_training(training)

    def noted_step(trainer, number, batch):
        own = stages[now[0]]
        if number == 0:
            own.append(Stage(trainer))
        own[-1].batches.append(batch)
        metrics = step(trainer, number, batch)
        own[-1].end = weights(trainer)
        return metrics

    def noted_read(image_path, *rest):
        if now:
            files.add(image_path)
        return read(image_path, *rest)

    def noted_evaluate(*args, **options):
        before, now[:] = now[:], []
        try:
            return evaluate(*args, **options)
        finally:
            now[:] = before

    run_training = trainings.run_training
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curate.comparing.scheduling.run_training", noted_training)
        patch.setattr(Trainer, "step", noted_step)
        patch.setattr(pairs, "read_files", noted_read)
        patch.setattr(trainings, "evaluate", noted_evaluate)
        compare(
            config, arms=ARMS, seeds=len(SEEDS), num_real=NUM_REAL, out=root / "cmp", workers=1,
            reporter=RecordingReporter(),
        )  # fmt: skip
    return stages, files, root


def last_stages(seen, arm, seed):
    """Stages of the arm itself, without the fit that it may have had to select by."""
    stages = seen[0][arm, seed]
    return stages[-2:] if arm in ("finetune", "joint-real") else stages[-1:]


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_arm_sees_as_many_images_in_as_many_steps(seen, arm, seed):
    sizes = [len(batch.keys) for stage in last_stages(seen, arm, seed) for batch in stage.batches]
    assert sizes == [BATCH // 2 if arm == "real-matched" else BATCH] * STEPS


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_begins_with_the_weights_of_its_seed(seen, arm):
    joint = [last_stages(seen, "joint", seed)[0].start for seed in SEEDS]
    own = [last_stages(seen, arm, seed)[0].start for seed in SEEDS]
    assert all(map(equal, own, joint))
    assert not equal(*joint)


@pytest.mark.parametrize("arm", ["finetune", "joint-real"])
def test_a_second_stage_goes_on_where_the_first_ended(seen, arm):
    first, second = last_stages(seen, arm, 0)
    assert equal(first.end, second.start)


@pytest.mark.parametrize("arm", [*TOGETHER, *SELECTIONS, "real-matched"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_step_has_the_same_real_images_changed_alike(seen, arm, seed):
    (own,), (joint,) = (last_stages(seen, name, seed) for name in (arm, "joint"))
    assert own.images(real=True) == joint.images(real=True)


@pytest.mark.parametrize("arm", TOGETHER)
def test_every_step_has_the_same_synthetic_images_changed_alike(seen, arm):
    (own,), (joint,) = (last_stages(seen, name, 1) for name in (arm, "joint"))
    assert own.images(real=False) == joint.images(real=False)


def test_other_seeds_draw_other_images(seen):
    (one,), (other,) = (last_stages(seen, "joint", seed) for seed in SEEDS)
    assert one.images(real=True) != other.images(real=True)


def test_all_arms_learn_from_the_same_draw_of_real_images(seen):
    _, files, root = seen
    drawn = {
        key
        for arm in ARMS
        if arm != "synthetic"
        for seed in SEEDS
        for stage in last_stages(seen, arm, seed)
        for step in stage.images(real=True)
        for key, *_ in step
        if key.startswith("r0:") and arm != "finetune"
    }
    assert len(drawn) == NUM_REAL
    read = {path.name for path in files if path.is_relative_to(root / "real")}
    assert {f"{key.rpartition('/')[2]}.png" for key in drawn} == read


def test_no_file_of_the_test_set_is_read_for_a_training(seen):
    _, files, root = seen
    below = {path.relative_to(root).parts[0] for path in files}
    assert below == {"real", "synthetic", "cmp"}  # of the last one, subsets
    assert all("subset" in str(path) for path in files if path.is_relative_to(root / "cmp"))


@pytest.mark.parametrize("arm", SELECTIONS)
def test_a_selection_trains_on_a_part_of_the_synthetic_pixels(seen, arm):
    def labelled(name):
        (stage,) = last_stages(seen, name, 0)
        maps = [label for step in stage.images(real=False) for _, _, label in step]
        return float((torch.tensor(maps) != 255).float().mean())

    (own,), (joint,) = (last_stages(seen, name, 0) for name in (arm, "joint"))
    kept = {key for step in own.images(real=False) for key, *_ in step}
    everything = {key for step in joint.images(real=False) for key, *_ in step}
    if arm == "default:top30":
        assert len(kept) <= 3 < len(everything)
    else:
        assert labelled(arm) < 0.6 * labelled("joint")
