"""Arms: what the same segmenter is trained on, named as on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from curate.config import ArmConfig, Config, FitConfig
from curate.errors import UsageError, did_you_mean
from curate.methods import CONTROLS, METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_SHARE: Final = 0.5
"""Share of an arm's steps that its first stage takes, where it has two."""

REAL_LAST: Final = "-real"
"""What the name of an arm ends with whose second stage has real images only."""

CONSTANTS: Final = (0.1, 0.3, 1.0, 3.0)
"""Values of lambda, the weight of the synthetic half of the loss, that arm ``constant`` tries."""

_SELECTION: Final = re.compile(
    r"(?:(?P<base>.+):)?(?P<kind>top|random)(?P<share>\d{1,2})(?::(?P<by>image|region|pixel))?"
    r"(?P<per_class>:per-class)?"
)

Media = Literal["real", "half", "synthetic", "both"]
"""What a stage draws: real images only, half a batch of them, synthetic ones only, or both."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A training of some of an arm's steps.

    Attributes
    ----------
    draws : str
        See `Media`.
    share : float
        Of the arm's steps, in (0, 1].
    method : str
        Weighting method; where it learns nothing, ``uniform``.
    synthetic_weight : float or None
        lambda; None = that of ``[fit]``.
    """

    draws: Media = "both"
    share: float = 1.0
    method: str = "uniform"
    synthetic_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of the synthetic data that is trained on in place of all of it.

    Attributes
    ----------
    method : str
        Whose scores choose it.
    share : int
        Per cent, 1 to 99.
    by : str
        ``image``, ``region`` or ``pixel``.
    is_random : bool
        Drawn at random: as many pixels of each class as the best have.
    per_class : bool
        The share is that of each class, so that none is lost.
    """

    method: str
    share: int
    by: str = "image"
    is_random: bool = False
    per_class: bool = False


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to use the data.

    Attributes
    ----------
    name : str
    stages : tuple of Stage
        One after the other; the segmenter of one is what the next begins with.
    own : ArmConfig or None
        The user's table.
    base : str or None
        What the arm of a method, its controls and the selections by it share a preparation and a
        finished fit under.
    is_base : bool
        Whether it is the arm of the method itself, and its training the fit that is shared.
    selection : Selection or None
        What is trained on, chosen by the fit of `base`.
    """

    name: str
    stages: tuple[Stage, ...] = (Stage(),)
    own: ArmConfig | None = None
    base: str | None = None
    is_base: bool = False
    selection: Selection | None = None


def _then_real(first: Stage) -> tuple[Stage, ...]:
    """Let a stage take its share of the steps, and real images alone the others."""
    return replace(first, share=FIRST_SHARE), Stage("real", 1 - FIRST_SHARE)


PLAIN: Final[dict[str, tuple[Stage, ...]]] = {
    "real": (Stage("real"),),
    "real-matched": (Stage("half"),),
    "synthetic": (Stage("synthetic"),),
    "joint": (Stage(),),
    "finetune": _then_real(Stage("synthetic")),
    "joint-real": _then_real(Stage()),
}
"""Arms that need neither a method nor scores."""


def parse_arms(names: Sequence[str], config: Config) -> list[Arm]:
    """Look arms up by name; ``constant`` becomes one arm for each lambda.

    Raises
    ------
    UsageError
        If a name is unknown or given twice.
    """
    arms: list[Arm] = []
    for name in names:
        arms += (
            [Arm(f"constant:{v}", (Stage(synthetic_weight=v),)) for v in CONSTANTS]
            if (name == "constant")
            else [parse_arm(name, config)]
        )
    seen: set[str] = set()
    for arm in arms:
        if arm.name in seen:
            msg = f"Arm '{arm.name}' is given twice. Name each once; --seeds repeats trainings."
            raise UsageError(msg)
        seen.add(arm.name)
    return arms


def parse_arm(name: str, config: Config) -> Arm:
    """Look one arm up; the user's own tables come first."""
    if name in PLAIN and not any(own.name == name for own in config.arm):
        return Arm(name, PLAIN[name])
    if arm := (
        _parse_method(name, config) or _parse_selection(name, config) or _parse_constant(name)
    ):
        return arm
    raise UsageError(_unknown(name, config))


def _parse_constant(name: str) -> Arm | None:
    """Parse ``constant:0.3``: every synthetic pixel weighs as much."""
    kind, _, value = name.partition(":")
    if kind != "constant":
        return None
    try:
        weight = float(value)
    except ValueError:
        return None
    return Arm(name, (Stage(synthetic_weight=weight),)) if 0 <= weight < float("inf") else None


def _parse_method(name: str, config: Config) -> Arm | None:
    """Parse ``streams``, ``default``, a table's name, one of them then real, or with a control."""
    if arm := _find_base(name, config):
        return arm
    if arm := _find_base(name.removesuffix(REAL_LAST), config):
        return replace(arm, name=name, stages=_then_real(arm.stages[0]), is_base=False)
    base, _, control = name.rpartition(":")
    arm = _find_base(base, config)
    if arm is None or arm.base is None or control not in CONTROLS:
        return None
    stage = Stage(method=f"{arm.stages[0].method}:{control}")
    return replace(arm, name=name, stages=(stage,), is_base=False)


def _parse_selection(name: str, config: Config) -> Arm | None:
    """Parse ``streams:top30:region``, ``random30``: a part of the data, all pixels alike."""
    found = _SELECTION.fullmatch(name)
    if not found or not int(found["share"]):
        return None
    arm = _find_base(found["base"] or "default", config)
    if arm is None or arm.base is None:
        return None
    is_random, by = found["kind"] == "random", found["by"] or "image"
    selection = Selection(
        arm.stages[0].method, int(found["share"]), by, is_random, bool(found["per_class"])
    )
    return replace(arm, name=name, stages=(Stage(),), is_base=False, selection=selection)


def _find_base(name: str, config: Config) -> Arm | None:
    """Find an arm of the user's own, or of a method's soft weights."""
    for own in config.arm:
        if own.name == name:
            _ = config.with_fit(**own.fit)  # raises if a key is unknown or out of range
            stage = Stage(method=own.method or "uniform")
            is_base = _gives_scores(stage.method)
            return Arm(name, (stage,), own, f"arm-{name}" if is_base else None, is_base)
    method = _default(config) if name == "default" else name
    if not _gives_scores(method):
        return None
    return Arm(name, (Stage(method=method),), base=method, is_base=True)


def _default(config: Config) -> str:
    """Name the method of ``[fit]``, or the product's where that one is a baseline."""
    return config.fit.method if _gives_scores(config.fit.method) else FitConfig().method


def _gives_scores(method: str) -> bool:
    """Whether a method is registered and gives weights."""
    return method in METHODS and METHODS[method].gives_scores


def _unknown(name: str, config: Config) -> str:
    """Say what arms there are."""
    methods = [m for m, kind in METHODS.items() if kind.gives_scores]
    own = [arm.name for arm in config.arm]
    known = [*own, *PLAIN, "constant", "default", *methods]
    hint = did_you_mean(name, known, cutoff=0.5)
    return (
        f"'{name}' is no arm. Known: {', '.join(known)}; a method with -real (real images only "
        "in the end), :permuted, :inverted, :top30 or :random30 (any share from 1 to 99 per cent; "
        "by image, or with :region or :pixel and :per-class after it); constant:0.3; [[arm]] "
        f"tables of curate.toml. {hint}"
    ).rstrip()
