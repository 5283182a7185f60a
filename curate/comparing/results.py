"""What finished trainings add up to: means, paired differences, and what can be said of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.comparing.statistics import MAX_DRAWS, Estimate, estimate
from curate.metrics import class_iou, mean_iou

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

BASELINES = ("real", "joint")
"""What an arm must beat to be worth anything; references by default."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one arm did, from one draw of the real images and one seed.

    Attributes
    ----------
    arm : str
    draw, seed : int
    steps : int
        Of all stages together.
    confusion : (C, C) int64
        Pixels of the test images by true (row) and predicted class.
    share_used : float
        Share of the synthetic pixels that counted, in [0, 1]: what is kept, times the effective
        sample size of its weights.
    seconds : float
        Of training, without evaluation; what another arm has fitted or prepared is included.
    peak_mib : float
        Largest resident memory of the process.
    warnings : tuple of str
    """

    arm: str
    draw: int
    seed: int
    steps: int
    confusion: NDArray[np.int64]
    share_used: float
    seconds: float
    peak_mib: float
    warnings: tuple[str, ...] = ()

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that the test labels hold."""
        return mean_iou(self.confusion)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"confusion": self.confusion.tolist(), "warnings": [*self.warnings]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Outcome:
        """Take back what `to_json` returned."""
        confusion = np.array(values["confusion"], np.int64)
        return cls(**values | {"confusion": confusion, "warnings": tuple(values["warnings"])})


@dataclass(frozen=True, slots=True)
class Comparison:
    """All finished trainings, of which every arm has the same draws and seeds.

    Attributes
    ----------
    arms : tuple of str
        In the order in which they are shown.
    references : tuple of str
        Arms that the others are compared with.
    outcomes : dict of str to (D, S) nested tuple of Outcome
        By arm, draw and seed.
    """

    arms: tuple[str, ...]
    references: tuple[str, ...]
    outcomes: dict[str, tuple[tuple[Outcome, ...], ...]]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], references: Sequence[str]) -> Comparison:
        """Put the outcomes in order, keeping the pairs of draw and seed that every arm finished."""
        found = {(o.arm, o.draw, o.seed): o for o in outcomes}
        arms = tuple(dict.fromkeys(o.arm for o in outcomes))
        pairs = [{(d, s) for a, d, s in found if a == arm} for arm in arms]
        draws, seeds = _grid(set.intersection(*pairs) if pairs else set())
        table = {arm: tuple(tuple(found[arm, d, s] for s in seeds) for d in draws) for arm in arms}
        shown = best_constant(arms, table)
        constant = next((arm for arm in shown if arm.startswith("constant:")), "")
        known = [constant if name == "constant" else name for name in references]
        return cls(shown, tuple(dict.fromkeys(name for name in known if name in table)), table)

    def view(self, labels: Mapping[str, str]) -> Comparison:
        """Show some arms, by other names: from what they are called to what they are."""
        return Comparison(
            arms=tuple(labels),
            references=tuple(name for name, arm in labels.items() if arm in self.references),
            outcomes={name: self.outcomes[arm] for name, arm in labels.items()},
        )

    def miou(self, arm: str) -> Estimate:
        """Estimate the mean IoU of an arm."""
        return estimate(self._values(arm))

    def difference(self, arm: str, reference: str) -> Estimate:
        """Estimate how much an arm is above a reference, draw by draw and seed by seed."""
        return estimate(self._values(arm) - self._values(reference))

    def class_iou(self, arm: str) -> NDArray[np.float64]:
        """Average the IoU of each class, (C,); NaN where it never occurs."""
        each = [class_iou(o.confusion) for row in self.outcomes[arm] for o in row]
        return np.asarray(np.mean(each, axis=0))

    def mean(self, arm: str, name: str) -> float:
        """Average a number over the trainings of an arm."""
        return float(np.mean([getattr(o, name) for row in self.outcomes[arm] for o in row]))

    @property
    def num_seeds(self) -> int:
        """Trainings of each arm."""
        first = next(iter(self.outcomes.values()), ())
        return sum(len(row) for row in first)

    @property
    def unit(self) -> str:
        """What its intervals are over: draws, or seeds where there is one draw only."""
        first = next(iter(self.outcomes.values()), ())
        return "draws" if len(first) > 1 else "seeds"

    def to_json(self) -> dict[str, Any]:
        """Return means and differences as ``--json`` prints them."""
        return {
            "arms": [_row({"name": arm}, "miou_", self.miou(arm)) for arm in self.arms],
            "differences": [
                _row({"arm": arm, "reference": reference}, "", self.difference(arm, reference))
                for reference in self.references
                for arm in self.arms
                if arm != reference
            ],
        }

    def _values(self, arm: str) -> NDArray[np.float64]:
        """Mean IoU of an arm, (D, S)."""
        return np.array([[o.miou for o in row] for row in self.outcomes[arm]])


def best_constant(
    arms: Sequence[str], table: dict[str, tuple[tuple[Outcome, ...], ...]]
) -> tuple[str, ...]:
    """Keep, of the arms ``constant:..``, the one with the best mean.

    It is chosen by the test images, which favours it over every other arm: a weighting that beats
    it does not owe that to an unlucky lambda.
    """

    def score(arm: str) -> float:
        return float(np.mean([o.miou for row in table[arm] for o in row]))

    constants = [arm for arm in arms if arm.startswith("constant:")]
    if not constants or not table[constants[0]]:
        return tuple(arms)
    best = max(constants, key=score)
    return tuple(arm for arm in arms if arm == best or arm not in constants)


def verdict(comparison: Comparison) -> list[str]:
    """Say in words which arms are better than the references, and what cannot be told yet."""
    said, present = [], [r for r in BASELINES if r in comparison.outcomes]
    for reference in dict.fromkeys([*present, *comparison.references]):
        others = [arm for arm in comparison.arms if arm not in (*BASELINES, reference)]
        found = {arm: comparison.difference(arm, reference) for arm in others}
        better = [arm for arm, difference in found.items() if difference.is_above_zero]
        if better:
            said.append(f"Better than {reference}: {', '.join(better)}.")
        elif others:
            said.append(f"Nothing is shown to be better than {reference}.")
        said += [
            _too_few(arm, reference, d, comparison.unit)
            for arm, d in found.items()
            if _is_open(d, comparison)
        ]
    return said


def _is_open(difference: Estimate, comparison: Comparison) -> bool:
    """Whether a difference is above 0 in the mean, but not shown to be."""
    return comparison.num_seeds > 0 and difference.mean > 0 and not difference.is_above_zero


def _too_few(arm: str, reference: str, difference: Estimate, unit: str) -> str:
    """Say how many draws, or seeds, would tell."""
    seen = f"{arm} minus {reference} is {difference.mean:+.3f}"
    if difference.num_units < 2:
        return f"{seen} in one training: give --draws or --seeds to tell whether that is more."
    many = difference.units_needed
    needed = f"about {many} {unit}" if many else f"more than {MAX_DRAWS:,} {unit}"
    return (
        f"{seen}, which {difference.num_units} {unit} cannot tell from 0 (power "
        f"{difference.power:.0%}); {needed} would."
    )


def _row(names: dict[str, str], prefix: str, found: Estimate) -> dict[str, Any]:
    """Return an estimate as plain values; None where there is no interval."""
    ends = {"mean": found.mean, "low": found.low, "high": found.high}
    values = {f"{prefix}{k}": v if v == v else None for k, v in ends.items()}
    return names | values | {"seeds": found.num_units}


def _grid(pairs: set[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Draws and seeds of which every pair is there: those with all seeds of the first draw."""
    draws = sorted({draw for draw, _ in pairs})
    seeds = sorted({seed for draw, seed in pairs if draw == draws[0]}) if draws else []
    return [d for d in draws if all((d, s) in pairs for s in seeds)], seeds
