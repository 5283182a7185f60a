"""Arms: what the same segmenter is trained on, named as on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from curate.config import ArmConfig, Config, FitConfig
from curate.errors import UsageError, did_you_mean
from curate.methods import CONTROLS, METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_SHARE: Final = 0.5
"""Share of an arm's steps that its first stage takes, where it has two."""

CONSTANTS: Final = (0.1, 0.3, 1.0, 3.0)
"""Values of lambda, the weight of the synthetic half of the loss, that arm ``constant`` tries."""

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
class Arm:
    """One way to use the data.

    Attributes
    ----------
    name : str
    stages : tuple of Stage
        One after the other; the segmenter of one is what the next begins with.
    own : ArmConfig or None
        The user's table.
    """

    name: str
    stages: tuple[Stage, ...] = (Stage(),)
    own: ArmConfig | None = None


PLAIN: Final[dict[str, tuple[Stage, ...]]] = {
    "real": (Stage("real"),),
    "real-matched": (Stage("half"),),
    "synthetic": (Stage("synthetic"),),
    "joint": (Stage(),),
    "finetune": (Stage("synthetic", FIRST_SHARE), Stage("real", 1 - FIRST_SHARE)),
    "joint-real": (Stage("both", FIRST_SHARE), Stage("real", 1 - FIRST_SHARE)),
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
    for own in config.arm:
        if own.name == name:
            _ = config.with_fit(**own.fit)  # raises if a key is unknown or out of range
            return Arm(name, (Stage(method=own.method or "uniform"),), own=own)
    if name in PLAIN:
        return Arm(name, PLAIN[name])
    if arm := _parse_constant(name) or _parse_method(name, config):
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
    """Parse ``streams``, ``default`` or one of them with a control: soft weights."""
    base, _, control = name.partition(":")
    method = _method(base, config)
    if not method or control not in ("", *CONTROLS):
        return None
    return Arm(name, (Stage(method=f"{method}:{control}" if control else method),))


def _method(name: str, config: Config) -> str | None:
    """Name of a registered method that gives weights; ``default`` is that of ``[fit]``."""
    chosen = config.fit.method if name == "default" else name
    if name == "default" and chosen == "uniform":
        chosen = FitConfig().method
    return chosen if chosen in METHODS and METHODS[chosen].gives_scores else None


def _unknown(name: str, config: Config) -> str:
    """Say what arms there are."""
    methods = [m for m, kind in METHODS.items() if kind.gives_scores]
    own = [arm.name for arm in config.arm]
    known = [*own, *PLAIN, "constant", "default", *methods]
    hint = did_you_mean(name, known, cutoff=0.5)
    return (
        f"'{name}' is no arm. Known: {', '.join(known)}; a method with :permuted or :inverted; "
        f"constant:0.3; [[arm]] tables of curate.toml. {hint}"
    ).rstrip()
