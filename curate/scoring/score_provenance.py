"""What is written down about scores: equal for files that may be mixed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.records import IGNORE_INDEX
from curate.training.run_record import package_versions

if TYPE_CHECKING:
    from curate.scoring.scored_image import CellPlan
    from curate.training.loaded_run import LoadedRun


def describe_scores(
    run: LoadedRun, described: dict[str, Any], plan: CellPlan, levels: tuple[str, ...]
) -> dict[str, Any]:
    """Say where scores come from.

    Parameters
    ----------
    described : dict
        The data set, from `describe_source`.
    """
    streams = run.networks.method.streams
    # without streams the keys of files that know of none, so that these can still be resumed
    own = {"streams": list(streams), "stream_maps": plan.stream_maps} if streams else {}
    return own | {
        "run": run.run_id,
        "checkpoint_sha256": run.checkpoint_sha256,
        "dataset": {
            "name": Path(described["root"]).name,
            "layout": described["layout"],
            "labels": described["id_map"]["name"],
            "images": described["images"],
            "fingerprint": described["fingerprint"],
        },
        "classes": {"name": run.classes.name, "names": list(run.classes.names)},
        "id_map": described["id_map"],
        "method": run.config.fit.method,
        "method_settings": run.config.method,
        "levels": list(levels),
        "stride": plan.stride,
        "regions": plan.regions,
        "region_px": plan.region_px,
        "seed": run.config.fit.seed,
        "versions": package_versions(),
        "ignore_index": IGNORE_INDEX,
    }
