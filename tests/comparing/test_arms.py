import pytest

from curate.comparing.arms import Selection, parse_arms
from curate.comparing.trainings import stage_steps
from curate.config import ArmConfig, Config, FitConfig
from curate.errors import UsageError

CONFIG = Config(arm=(ArmConfig(name="mine", method="hierarchical"),))


def parse(*names, config=CONFIG):
    return parse_arms(names, config)


def test_default_is_the_method_of_the_configuration():
    (arm,) = parse("default", config=Config(fit=FitConfig(method="hierarchical")))
    assert arm.stages[0].method == "hierarchical"


def test_default_of_a_baseline_is_the_products_default():
    (arm,) = parse("default", config=Config(fit=FitConfig(method="uniform")))
    assert arm.stages[0].method == FitConfig().method


def test_constant_is_one_arm_for_each_lambda():
    assert [arm.stages[0].synthetic_weight for arm in parse("constant")] == [0.1, 0.3, 1.0, 3.0]
    assert parse("constant:0.25")[0].stages[0].synthetic_weight == 0.25


def test_controls_go_with_methods():
    assert parse("hierarchical:permuted")[0].stages[0].method == "hierarchical:permuted"
    with pytest.raises(UsageError, match="'joint:permuted' is no arm"):
        parse("joint:permuted")


def test_methods_may_end_with_real_images_only():
    weighted, own = parse("streams-real", "mine-real")
    assert [(s.draws, s.share, s.method) for s in weighted.stages] == [
        ("both", 0.5, "streams"),
        ("real", 0.5, "uniform"),
    ]
    assert (weighted.base, weighted.is_base, own.own) == ("streams", False, CONFIG.arm[0])


def test_own_tables_come_first():
    assert parse("mine")[0].own == CONFIG.arm[0]
    own = Config(arm=(ArmConfig(name="real", method="hierarchical"),))
    assert parse("real", config=own)[0].own == own.arm[0]


def test_own_tables_with_a_method_have_controls_and_selections():
    permuted, best = parse("mine:permuted", "mine:top20:region")
    assert (permuted.own, permuted.stages[0].method) == (CONFIG.arm[0], "hierarchical:permuted")
    assert (best.own, best.stages[0].method) == (CONFIG.arm[0], "uniform")
    assert best.selection == Selection("hierarchical", 20, "region")
    with pytest.raises(UsageError, match="is no arm"):
        parse("plain:permuted", config=Config(arm=(ArmConfig(name="plain"),)))


def test_selections_name_method_share_and_unit():
    best, drawn, short = parse("hierarchical:top7:pixel", "streams:random30", "random99")
    assert best.selection == Selection("hierarchical", 7, "pixel")
    assert drawn.selection == Selection("streams", 30, "image", is_random=True)
    (each,) = parse("hierarchical:top7:pixel:per-class")
    assert each.selection == Selection("hierarchical", 7, "pixel", per_class=True)
    assert short.selection == Selection(FitConfig().method, 99, "image", is_random=True)
    assert {arm.stages for arm in (best, drawn, short)} == {parse("joint")[0].stages}


def test_what_shares_a_fit_shares_its_name():
    names = ("default", "streams", "streams:permuted", "streams:top30", "random30", "hierarchical")
    config = CONFIG.with_fit(method="streams")
    arms = parse(*names, "mine", config=config)
    assert [arm.base for arm in arms] == [*["streams"] * 5, "hierarchical", "arm-mine"]
    assert [arm.is_base for arm in arms] == [True, True, False, False, False, True, True]


NO_ARMS = ("jiont", "constant:-1", "constant:x", "uniform", "streams:x", "streams:top0")
NO_ARMS += ("streams:top100", "joint:top30", "streams:top30:class", "streams:permuted:top30")


@pytest.mark.parametrize("name", NO_ARMS)
def test_unknown_arms_are_told_the_known_ones(name):
    with pytest.raises(UsageError, match=r"is no arm\. Known: mine, real, real-matched"):
        parse(name)


def test_an_arm_is_named_once():
    with pytest.raises(UsageError, match="given twice"):
        parse("joint", "joint")


@pytest.mark.parametrize(
    "name", ["real", "joint", "finetune", "joint-real", "streams-real", "mine"]
)
@pytest.mark.parametrize("steps", [2, 7, 250])
def test_every_arm_takes_the_same_number_of_steps(name, steps):
    shares = stage_steps(parse(name)[0].stages, steps)
    assert sum(shares) == steps
    assert min(shares) >= 1
