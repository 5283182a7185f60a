"""Score synthetic training images by how real they are, and keep what helps.

Everything below is imported when it is first used, so ``import curate`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curate.config import Config, load_config
    from curate.errors import (
        ConfigError,
        CurateError,
        DataError,
        LabelError,
        RunError,
        StoreError,
        UsageError,
    )
    from curate.scores.merge import merge
    from curate.store import ScoreFile
    from curate.weighting import weights_from_scores
    from curate.workflows.audit import audit
    from curate.workflows.demo import demo
    from curate.workflows.evaluation import evaluate
    from curate.workflows.export import export_subset
    from curate.workflows.fit import fit
    from curate.workflows.init import init
    from curate.workflows.score import score

    __version__: str

__all__ = [
    "Config",
    "ConfigError",
    "CurateError",
    "DataError",
    "LabelError",
    "RunError",
    "ScoreFile",
    "StoreError",
    "UsageError",
    "__version__",
    "audit",
    "demo",
    "evaluate",
    "export_subset",
    "fit",
    "init",
    "load_config",
    "merge",
    "score",
    "weights_from_scores",
]

_MODULES: Final = {
    "Config": "curate.config",
    "ConfigError": "curate.errors",
    "CurateError": "curate.errors",
    "DataError": "curate.errors",
    "LabelError": "curate.errors",
    "RunError": "curate.errors",
    "ScoreFile": "curate.store",
    "StoreError": "curate.errors",
    "UsageError": "curate.errors",
    "audit": "curate.workflows.audit",
    "demo": "curate.workflows.demo",
    "evaluate": "curate.workflows.evaluation",
    "export_subset": "curate.workflows.export",
    "fit": "curate.workflows.fit",
    "init": "curate.workflows.init",
    "load_config": "curate.config",
    "merge": "curate.scores.merge",
    "score": "curate.workflows.score",
    "weights_from_scores": "curate.weighting",
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
