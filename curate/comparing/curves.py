"""Curves: the same comparison along shares kept, numbers of real images, or steps."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate.comparing import arms as known_arms
from curate.comparing import outcomes, outputs, results
from curate.comparing.compare import DEFAULT_ARMS, compare
from curate.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.config import Config

    Points = tuple[dict[int, results.Comparison], list[str]]

SMALLEST: Final = {"share": 1, "num_real": 2, "steps": 1}
"""What a curve can run along, and the smallest value of it."""

WHOLE: Final = "joint"
"""What a selection of 100 % is."""

_SHARE_OF: Final = re.compile(
    r"(?:(?<=:)|^)(top|random)\d{1,2}(?=(?::(?:image|region|pixel))?(?::per-class)?$)"
)


@dataclass(frozen=True, slots=True)
class Curve:
    """What is changed from point to point.

    Attributes
    ----------
    name : str
        ``share`` (per cent of the synthetic data that selections keep), ``num_real`` or ``steps``.
    values : tuple of int
        Rising.
    """

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CurveResult:
    """What `compare_along` found.

    Attributes
    ----------
    out : Path
    curve : Curve
    points : dict of int to Comparison
        By value; arms are called alike in all of them.
    said : tuple of str
    seconds : float
        Wall time of this call.
    """

    out: Path
    curve: Curve
    points: dict[int, results.Comparison]
    said: tuple[str, ...]
    seconds: float

    def table(self) -> list[str]:
        """Lay the curve out for a terminal."""
        return outputs.terminal_curve(self.curve.name, self.points)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        points = [{"value": value, **found.to_json()} for value, found in self.points.items()]
        return {
            "curve": self.curve.name,
            "points": points,
            "out": str(self.out),
            "said": list(self.said),
            "seconds": self.seconds,
        }


def parse_curve(text: str) -> Curve:
    """Read ``steps=250,750``.

    Raises
    ------
    UsageError
        If it is none.

    Examples
    --------
    >>> parse_curve("num_real=20, 5")
    Curve(name='num_real', values=(5, 20))
    """
    name, equals, rest = (part.strip() for part in text.partition("="))
    if name not in SMALLEST:
        hint = did_you_mean(name, SMALLEST, cutoff=0.5)
        msg = f"--curve {text}: a curve runs along one of {', '.join(SMALLEST)}. {hint}".rstrip()
        raise UsageError(msg)
    numbers = [part.strip().removesuffix("%") for part in rest.split(",")]
    if not equals or not all(part.isascii() and part.isdigit() for part in numbers):
        msg = f"--curve {text}: write values as whole numbers, for example {name}=10,30,50."
        raise UsageError(msg)
    values = tuple(sorted(map(int, numbers)))
    if len(set(values)) < max(2, len(values)):
        msg = f"--curve {text}: a curve needs two or more values, each once."
        raise UsageError(msg)
    if values[0] < SMALLEST[name] or (name == "share" and values[-1] > 100):
        most = " to 100" if name == "share" else ""
        msg = f"--curve {text}: values of {name} are from {SMALLEST[name]}{most}."
        raise UsageError(msg)
    return Curve(name, values)


def compare_along(
    config: Config,
    curve: Curve,
    *,
    arms: Sequence[str] = DEFAULT_ARMS,
    references: Sequence[str] = results.BASELINES,
    out: Path | str,
    **options: Any,  # noqa: ANN401
) -> CurveResult:
    """Compare at each value of a curve.

    Along shares, selections such as ``default:top30`` are trained at each of them, and the other
    arms once; what is kept is one comparison. Along real images or steps it is one comparison a
    value, each in a folder of its own.

    Parameters
    ----------
    arms, references, out
        As for `compare`.
    **options
        Its other arguments.

    Raises
    ------
    UsageError, ConfigError, DataError, RunError, StoreError
        As `compare`; also where there is no selection along shares, or a folder holds a comparison
        of another kind.
    KeyboardInterrupt
        After every training was saved.
    """
    started, path = time.monotonic(), Path(os.path.realpath(out))
    names = list(dict.fromkeys([*references, *arms]))
    known_arms.parse_arms(names, config)  # raises where one is unknown
    along = _along_shares if curve.name == "share" else _along_settings
    points, said = along(config, curve, names, references, path, options)
    path.mkdir(parents=True, exist_ok=True)
    outputs.write_curve(path, curve.name, points)
    seconds = round(time.monotonic() - started, 2)
    return CurveResult(path, curve, points, tuple(said), seconds)


def _along_settings(
    config: Config,
    curve: Curve,
    names: Sequence[str],
    references: Sequence[str],
    out: Path,
    options: dict[str, Any],
) -> Points:
    """Compare at each number of real images, or of steps."""
    if (out / outcomes.SETTINGS_NAME).exists():
        msg = f"{out} holds a comparison that is no curve along {curve.name}. Name another --out."
        raise UsageError(msg)
    if options.get(curve.name) is not None:
        msg = f"--num-real is what the curve runs along: leave one of them out ({curve.name})."
        raise UsageError(msg)
    points, said = {}, []
    for value in curve.values:
        changed = config.with_fit(steps=value) if curve.name == "steps" else config
        found = compare(
            changed,
            arms=names,
            references=references,
            out=out / f"{curve.name}-{value}",
            **options | ({"num_real": value} if curve.name == "num_real" else {}),
        )
        labels = {arm if arm in names else "constant": arm for arm in found.comparison.arms}
        points[value] = found.comparison.view(labels)
        said += [f"{curve.name} {value}: {line}" for line in found.said]
    return points, said


def _along_shares(
    config: Config,
    curve: Curve,
    names: Sequence[str],
    references: Sequence[str],
    out: Path,
    options: dict[str, Any],
) -> Points:
    """Compare selections of each share with each other."""
    selections = [arm.name for arm in known_arms.parse_arms(names, config) if arm.selection]
    if not selections:
        msg = (
            "No arm keeps a share, along which the curve could run: name some in --arms, for "
            "example default:top30,random30."
        )
        raise UsageError(msg)
    parts = [value for value in curve.values if value < 100]
    whole = [WHOLE] if len(parts) < len(curve.values) else []
    expanded = [at_share(name, value) for name in selections for value in parts]
    others = [name for name in names if name not in selections]
    found = compare(
        config,
        arms=list(dict.fromkeys([*others, *whole, *expanded])),
        references=[name for name in references if name not in selections],
        out=out,
        **options,
    )
    points = {}
    for value in curve.values:
        labels = {arm: arm for arm in found.comparison.arms if arm not in expanded}
        labels |= {
            at_share(name, None): at_share(name, value) if value < 100 else WHOLE
            for name in selections
        }
        points[value] = found.comparison.view(labels)
    return points, list(found.said)


def at_share(name: str, share: int | None) -> str:
    """Name a selection at another share, or at none: ``default:top30:region``, ``default:top``."""
    return _SHARE_OF.sub(lambda found: f"{found[1]}{'' if share is None else share}", name)
