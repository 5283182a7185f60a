"""Options of commands that work on a Ray cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from curate.errors import UsageError

if TYPE_CHECKING:
    from curate.cluster.ray_cluster import Cluster

_PANEL = "Cluster"

Ray = Annotated[
    bool,
    typer.Option(
        "--ray", help="Work on a Ray cluster; needs 'curate-seg\\[ray]'.", rich_help_panel=_PANEL
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="Of the cluster; by default one is started on this machine.",
        rich_help_panel=_PANEL,
    ),
]
RayCpus = Annotated[
    float,
    typer.Option("--ray-cpus", min=0.1, help="CPUs of each worker.", rich_help_panel=_PANEL),
]
RayGpus = Annotated[
    float,
    typer.Option("--ray-gpus", min=0.0, help="GPUs of each worker.", rich_help_panel=_PANEL),
]
PartImages = Annotated[
    int,
    typer.Option("--part-images", min=1, help="Images of a part.", rich_help_panel=_PANEL),
]


def parse_ray(
    is_wanted: bool, address: str | None, cpus: float, gpus: float = 0
) -> "Cluster | None":
    """Put the options about a cluster together; None where it is not asked for."""
    if not is_wanted:
        if address is not None:
            msg = "--ray-address names a cluster, but --ray does not ask for one: give both."
            raise UsageError(msg)
        return None
    from curate.cluster.ray_cluster import Cluster  # here, so that --help need not wait for it

    return Cluster(address, cpus, gpus)
