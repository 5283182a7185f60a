"""Equal budgets, the same real images and start for every arm, and test images that are new."""

import json
import shutil

import pandas as pd
import pytest

from curate.cluster.ray_cluster import Cluster
from curate.comparing import scheduling
from curate.comparing.compare import compare
from curate.config import ArmConfig, DatasetConfig
from curate.errors import ConfigError, DataError, StoreError, UsageError
from curate.training.task import open_task
from tests.tiny import RecordingReporter

ARMS = ("real", "real-matched", "synthetic", "finetune", "joint", "joint-real", "constant:0.3")


def run(config, tmp_path, **options):
    chosen = {"arms": ARMS, "seeds": 1, "out": tmp_path / "cmp", "workers": 1}
    return compare(config, reporter=RecordingReporter(), **chosen | options)


def test_every_arm_has_the_same_budget_draw_and_start(config, trained, tmp_path):
    run(config, tmp_path, num_real=4, draws=2, seeds=2)
    tests, _ = trained.pop("tests"), trained.pop("runs")
    assert set(tests) == {tmp_path / "test"}
    assert len(trained) == 4 * len(ARMS)
    for name, stages in trained.items():
        draw, seed, arm = name.split(".", 2)
        assert sum(stage.fit.steps for stage in stages) == 4
        for stage in stages:
            is_synthetic = stage.real == config.synthetic
            assert stage.fit.num_real == (None if is_synthetic else 4)
            assert (f"draw-{stage.fit.draw}", f"seed-{stage.fit.seed}") == (draw, seed)
            assert stage.fit.batch_size == (2 if arm == "real-matched" else 4)
            assert stage.test == ()


def test_stages_go_on_from_one_another(config, trained, tmp_path):
    run(config, tmp_path, arms=("finetune",), references=())
    first, second = trained["draw-0.seed-0.finetune"]
    assert (first.real, first.synthetic, first.fit.start_from) == (config.synthetic, (), None)
    assert (second.real, second.synthetic) == (config.real, ())
    assert second.fit.start_from.name == "stage-0"


def test_own_arms_change_data_and_method_only(config, trained, tmp_path):
    own = ArmConfig(name="mine", synthetic=config.real, fit={"flip": 0})
    with pytest.raises(ConfigError, match="flip"):
        run(config.model_copy(update={"arm": (own,)}), tmp_path, arms=("mine",))
    own = own.model_copy(update={"fit": {"warmup": 0.5}})
    run(config.model_copy(update={"arm": (own,)}), tmp_path, arms=("mine",))
    (stage,) = trained["draw-0.seed-0.mine"]
    assert (stage.synthetic, stage.fit.warmup, stage.fit.method) == (config.real, 0.5, "uniform")
    with pytest.raises(ValueError, match="steps must be the same for all arms"):
        ArmConfig(name="more", fit={"steps": 9})


def test_settings_of_a_method_are_those_of_its_controls_too(config, trained, tmp_path):
    own = ArmConfig(name="mine", method="streams", settings={"folds": 2})
    run(
        config.model_copy(update={"arm": (own,)}),
        tmp_path,
        arms=("default", "default:permuted", "joint", "mine", "mine:inverted"),
    )
    found = {out.name: (c.fit.method, c.method) for out, c in trained["runs"]}
    assert found["draw-0.seed-0.hierarchical"] == ("hierarchical", config.method)
    assert found["draw-0.seed-0.arm-mine"] == ("streams", {"folds": 2})
    of_stages = {out.parent.name: (c.fit.method, c.method) for out, c in trained["runs"]}
    assert of_stages["draw-0.seed-0.default_permuted"] == ("hierarchical:permuted", config.method)
    assert of_stages["draw-0.seed-0.mine_inverted"] == ("streams:inverted", {"folds": 2})
    assert of_stages["draw-0.seed-0.joint"] == ("uniform", {})


def test_a_selection_is_trained_on_as_joint_is(config, trained, selected, tmp_path):
    arms = ("joint", "default", "default:top30:region", "random30")
    result = run(config, tmp_path, arms=arms, seeds=2)
    fits = [out for out, _ in trained["runs"] if out.parent.name == "fits"]
    assert len(set(fits)) == 2  # one a seed, made by the arm of the method, used by the others
    assert {run for _, run, _ in selected} == set(fits)
    joint = {out: c for out, c in trained["runs"] if out.parent.name.endswith(".joint")}
    for (out, stage), seed in zip(
        [(o, c) for o, c in trained["runs"] if "top30" in str(o)], (0, 1), strict=True
    ):
        like = next(c for o, c in joint.items() if f"seed-{seed}" in str(o))
        assert stage.fit == like.fit
        assert stage.synthetic[0].path == out.parent / "subset-0"
        assert stage.real == like.real
    outcomes = result.comparison.outcomes
    assert outcomes["default:top30:region"][0][0].share_used == pytest.approx(0.3 * 0.75)
    assert outcomes["default:top30:region"][0][0].steps == 4


def test_random_controls_are_drawn_anew_for_each_draw_and_seed(config, trained, selected, tmp_path):
    run(config, tmp_path, arms=("random30",), seeds=2, draws=2, num_real=4)
    assert len({seed for _, _, seed in selected}) == 4


def test_what_cannot_be_trained_is_refused_before_anything_is(config, trained, tmp_path):
    own = ArmConfig(name="mine", method="hierarchical", settings={"inptus": ["image"]})
    with pytest.raises(ConfigError, match="unknown key 'inptus'"):
        run(config.model_copy(update={"arm": (own,)}), tmp_path, arms=("joint", "mine"))
    assert not trained


def test_draws_are_random_nested_and_without_repeats(config):
    def drawn(num_real, draw):
        task = open_task(
            config.with_fit(num_real=num_real, draw=draw), num_folds=1, reporter=RecordingReporter()
        )
        return {key for key in task.splits if key.startswith("r")}

    assert len(drawn(4, 0)) == 4
    assert drawn(2, 0) < drawn(4, 0)
    assert len({frozenset(drawn(2, draw)) for draw in range(6)}) > 1
    with pytest.raises(ConfigError, match="num_real = 7, but the real data sets hold 6"):
        drawn(7, 0)


@pytest.mark.parametrize("domain", ["real", "synthetic"])
def test_a_test_image_that_is_trained_on_is_refused(config, tmp_path, domain):
    for name in ("images", "labels"):
        shutil.copy(tmp_path / domain / name / "002.png", tmp_path / "test" / name / "copy.png")
    with pytest.raises(DataError, match=r"1 of 4 test images are trained on, too: .*copy.png"):
        run(config, tmp_path)


def test_an_arms_own_data_may_not_hold_a_test_image(config, trained, tmp_path):
    own = ArmConfig(name="mine", real=(DatasetConfig(path=tmp_path / "test"),))
    own_config = config.model_copy(update={"arm": (own,)})
    with pytest.raises(DataError, match="3 of 3 test images are trained on"):
        run(own_config, tmp_path, arms=("mine",))
    run(own_config, tmp_path, arms=("joint",))  # it does not take part


def test_share_used_is_the_mean_effective_sample_size(config, trained, tmp_path):
    outcomes = run(config, tmp_path, arms=("joint",)).comparison.outcomes
    assert outcomes["joint"][0][0].share_used == 0.75  # 1 in the warm-up, then .5
    assert outcomes["real"][0][0].share_used == 0


def test_what_is_finished_is_not_trained_again(config, trained, tmp_path):
    run(config, tmp_path, arms=("joint",))
    trained.clear()
    result = run(config, tmp_path, arms=("joint", "synthetic"), resume=True)
    assert set(trained) == {"tests", "runs", "draw-0.seed-0.synthetic"}
    assert set(result.comparison.outcomes) == {"real", "joint", "synthetic"}


def test_existing_results_need_a_flag(config, trained, tmp_path):
    run(config, tmp_path, arms=("joint",))
    with pytest.raises(UsageError, match="Go on with --resume"):
        run(config, tmp_path)
    with pytest.raises(ConfigError, match="other settings of fit"):
        run(config.with_fit(steps=6), tmp_path, resume=True)
    trained.clear()
    run(config.with_fit(steps=6), tmp_path, arms=("joint",), overwrite=True)
    assert trained["draw-0.seed-0.joint"][0].fit.steps == 6
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="no comparison, and not empty"):
        run(config, tmp_path, out=tmp_path / "mine", overwrite=True)


def test_files_of_a_user_among_the_results_are_never_deleted(config, trained, tmp_path):
    run(config, tmp_path, arms=("joint",))
    notes = tmp_path / "cmp/trainings/notes.txt"
    notes.write_text("precious")
    with pytest.raises(UsageError, match=r"notes\.txt is no outcome of a training"):
        run(config, tmp_path, arms=("joint",), overwrite=True)
    assert notes.exists()
    notes.unlink()
    (tmp_path / "victim").mkdir()
    (tmp_path / "cmp/work").rename(tmp_path / "worked")
    (tmp_path / "cmp/work").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match="work is a link"):
        run(config, tmp_path, arms=("joint",), resume=True)


def test_settings_that_came_later_do_not_hinder_going_on(config, trained, tmp_path):
    run(config, tmp_path, arms=("joint",))
    path = tmp_path / "cmp/settings.json"
    told = json.loads(path.read_text())
    del told["config"]["fit"]["preparation_seed"], told["config"]["augment"]["flip"]
    path.write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="other settings of fit"):
        run(config.with_fit(preparation_seed=3), tmp_path, resume=True)
    run(config, tmp_path, arms=("joint",), resume=True)


def test_a_damaged_result_is_named(config, trained, tmp_path):
    run(config, tmp_path, arms=("joint",))
    path = tmp_path / "cmp/trainings/draw-0.seed-0.joint.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StoreError, match=r"joint\.json cannot be read.*Remove it"):
        run(config, tmp_path, arms=("joint",), resume=True)


def test_what_cannot_be_compared_is_refused(config, tmp_path):
    with pytest.raises(ConfigError, match=r"no \[\[test\]\] table"):
        run(config.model_copy(update={"test": ()}), tmp_path)
    with pytest.raises(ConfigError, match=r"no \[\[synthetic\]\] table"):
        run(config.model_copy(update={"synthetic": ()}), tmp_path)
    with pytest.raises(UsageError, match="--draws 2 without --num-real"):
        run(config, tmp_path, draws=2)
    with pytest.raises(UsageError, match="draws all of the 6 real images, each time the same"):
        run(config, tmp_path, draws=2, num_real=6)


def test_the_number_of_real_images_may_stand_in_the_settings(config, trained, tmp_path):
    run(config.with_fit(num_real=2), tmp_path, arms=("joint",), draws=2)
    assert {c.fit.num_real for _, c in trained["runs"]} == {2}


def test_draws_that_hardly_differ_are_warned_of(config, trained, tmp_path):
    reporter = RecordingReporter()
    for num_real in (3, 5):
        compare(config, arms=("joint",), seeds=1, draws=2, num_real=num_real, workers=1,
                out=tmp_path / f"cmp-{num_real}", reporter=reporter)  # fmt: skip
    (warning,) = (text for text in reporter.warnings if text.startswith("Two draws"))
    assert warning.startswith("Two draws of 5 of 6 real images share 83% of them on average")


def test_data_is_looked_at_once_for_all_trainings(config, trained, tmp_path):
    run(config, tmp_path, arms=("joint",))
    seen = sorted(path.name for path in (tmp_path / ".curate").iterdir())
    assert len(seen) == 2  # a file a data set
    assert sorted(path.name for path in (tmp_path / "cmp/.curate").iterdir()) == seen
    assert {c.root for _, c in trained["runs"]} == {tmp_path / "cmp"}


def test_too_few_real_images_are_told_before_anything_is_trained(config, trained, tmp_path):
    with pytest.raises(UsageError, match="--num-real 7, but there are 6 usable real images"):
        run(config, tmp_path, num_real=7)
    assert not (tmp_path / "cmp").exists()


@pytest.mark.slow
def test_real_trainings_give_tables_and_plots_and_survive_a_stop(config, tmp_path, monkeypatch):
    arms = ("default", "default:permuted", "finetune", "default:top30:region", "random30")
    options = {"arms": arms, "num_real": 4}
    whole = run(config, tmp_path, out=tmp_path / "whole", workers=2, **options)
    calls = iter(range(99))
    real_run = scheduling.run_training

    def stop(training):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real_run(training)

    monkeypatch.setattr(scheduling, "run_training", stop)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path, **options)
    monkeypatch.undo()
    again = run(config, tmp_path, resume=True, **options)
    for arm, rows in whole.comparison.outcomes.items():
        for one, other in zip(rows[0], again.comparison.outcomes[arm][0], strict=True):
            assert (one.confusion == other.confusion).all()
    out = tmp_path / "cmp"
    table = pd.read_parquet(out / "trainings.parquet")
    assert set(table["arm"]) == {"real", "joint", *arms}
    kept = table.set_index("arm")["share_used"]
    assert kept["default:top30:region"] == pytest.approx(0.3, abs=0.1)
    assert 0.1 < kept["random30"] < 0.5
    assert table["iou_sky"].between(0, 1).all()
    assert json.loads((out / "summary.json").read_text())["arms"] == again.to_json()["arms"]
    table = (out / "table.md").read_text()
    assert "| `default:permuted` |" in table
    assert "| IoU | ground | thing | sky |" in table
    assert (out / "arms.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / "arms.svg").read_text()


@pytest.mark.ray
@pytest.mark.slow
def test_trainings_on_a_cluster_are_those_of_this_process(config, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed")
    options = {"arms": ("joint", "default:permuted"), "num_real": 4}
    here = run(config, tmp_path, out=tmp_path / "here", **options)
    there = run(config, tmp_path, out=tmp_path / "there", ray=Cluster(cpus=0.5), **options)
    found = [each.to_json() | {"out": None, "seconds": None} for each in (here, there)]
    for each in found:
        assert len(each["arms"]) > 2
    plain = [[(arm["name"], arm["miou_mean"]) for arm in each["arms"]] for each in found]
    assert plain[0] == plain[1]
