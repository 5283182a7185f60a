"""Score synthetic training images by how real they are, and keep what helps.

Everything below is imported when it is first used, so ``import curate`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curate.auditing.audit import audit
    from curate.checkup import check
    from curate.comparing.compare import compare
    from curate.config import Config, load_config
    from curate.demonstration.demo import demo
    from curate.downstream.weights import weights_from_scores
    from curate.errors import (
        ConfigError,
        CurateError,
        DataError,
        LabelError,
        RunError,
        StoreError,
        UsageError,
    )
    from curate.reporting import Reporter
    from curate.scores.merge import merge
    from curate.scores.score_file import ScoreFile
    from curate.scoring.every_set import score_all
    from curate.scoring.score import score
    from curate.selection.export import export_subset
    from curate.showing.report import report
    from curate.showing.show import show
    from curate.template import init
    from curate.training.evaluation import evaluate
    from curate.training.fit import fit

    __version__: str

__all__ = [
    "Config",
    "ConfigError",
    "CurateError",
    "DataError",
    "LabelError",
    "Reporter",
    "RunError",
    "ScoreFile",
    "StoreError",
    "UsageError",
    "__version__",
    "audit",
    "check",
    "compare",
    "demo",
    "evaluate",
    "export_subset",
    "fit",
    "init",
    "load_config",
    "merge",
    "report",
    "score",
    "score_all",
    "show",
    "weights_from_scores",
]

_MODULES: Final = {
    "Config": "curate.config",
    "ConfigError": "curate.errors",
    "CurateError": "curate.errors",
    "DataError": "curate.errors",
    "LabelError": "curate.errors",
    "Reporter": "curate.reporting",
    "RunError": "curate.errors",
    "ScoreFile": "curate.scores.score_file",
    "StoreError": "curate.errors",
    "UsageError": "curate.errors",
    "audit": "curate.auditing.audit",
    "check": "curate.checkup",
    "compare": "curate.comparing.compare",
    "demo": "curate.demonstration.demo",
    "evaluate": "curate.training.evaluation",
    "export_subset": "curate.selection.export",
    "fit": "curate.training.fit",
    "init": "curate.template",
    "load_config": "curate.config",
    "merge": "curate.scores.merge",
    "report": "curate.showing.report",
    "score": "curate.scoring.score",
    "score_all": "curate.scoring.every_set",
    "show": "curate.showing.show",
    "weights_from_scores": "curate.downstream.weights",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("curate-seg")
    if name not in _MODULES:
        msg = f"module 'curate' has no attribute '{name}'"
        raise AttributeError(msg)
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List what can be imported."""
    return __all__
