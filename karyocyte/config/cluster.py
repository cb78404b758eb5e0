"""The typed schema of conf/cluster/: where the jobs of a multirun run. Taken off before a run's configuration."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, PositiveFloat, PositiveInt

from karyocyte.common.errors import UserError
from karyocyte.config.base import Line, StrictModel
from karyocyte.config.explain import resolved_values, validated

SWEEP_VARIABLE = "KARYOCYTE_SWEEP"  # tells a job's process the folder of its sweep


class HereConfig(StrictModel):
    """One job after another, in this process."""

    name: Literal["none"] = "none"
    retries: Literal[0] = 0


class LocalConfig(StrictModel):
    """Jobs of this machine, as many at a time as its GPUs take; of several devices, one process on each."""

    name: Literal["local"]
    jobs: PositiveInt | None = None
    devices: PositiveInt = 1
    accelerator: str = "auto"
    retries: Annotated[int, Field(ge=0)] = 1


# Keys of the cluster that follow the trainer, and their names there.
OF_TRAINER = {
    "nodes": "num_nodes",
    "gpus_per_node": "devices",
    "tasks_per_node": "devices",
    "devices": "devices",
    "accelerator": "accelerator",
}


class SlurmConfig(StrictModel):
    """Jobs of a Slurm cluster; the names are those of sbatch."""

    name: Literal["slurm"]
    partition: Line | None = None
    account: Line | None = None
    qos: Line | None = None
    constraint: Line | None = None
    exclude: Line | None = None
    nodes: PositiveInt = 1
    tasks_per_node: PositiveInt = 1
    gpus_per_node: PositiveInt | None = None
    cpus_per_task: PositiveInt | None = 4
    mem_gb: PositiveFloat | None = None
    timeout_min: PositiveInt = 240
    array_parallelism: PositiveInt = 64
    signal_delay_s: PositiveInt = 120
    setup: tuple[str, ...] = ()
    additional_parameters: dict[Line, Line | int | bool] = {}
    retries: Annotated[int, Field(ge=0)] = 2
    poll_seconds: PositiveFloat = 5.0


ClusterConfig = HereConfig | LocalConfig | SlurmConfig
CLUSTERS: dict[Any, type[ClusterConfig]] = {"none": HereConfig, "local": LocalConfig, "slurm": SlurmConfig}


def clusters_with(key: str) -> str:
    """Return the words that choose a cluster with a key such as cluster.jobs; "" of any other key."""
    section, _, name = key.partition(".")
    kinds = [kind for kind in ("slurm", "local") if name in CLUSTERS[kind].model_fields]
    return " or ".join(f"+cluster={kind}" for kind in kinds) if section == "cluster" else ""


def check_cluster(node: DictConfig | Mapping[str, Any] | None) -> ClusterConfig:
    """Return the typed settings of the ``cluster`` node, checked; None: one job after another."""
    if node is None:
        return HereConfig()
    values = resolved_values(node, "cluster") if isinstance(node, DictConfig) else dict(node)
    model = CLUSTERS.get(values.get("name", "none"))
    if model is None:
        raise UserError(f"cluster.name: {values['name']!r} is neither local nor slurm")
    for key in map(str, values):
        if key not in model.model_fields and (needed := clusters_with(f"cluster.{key}")):
            raise UserError(f"cluster.{key} needs {needed}")
    cluster = validated(model, values, "cluster")
    # Slurm would signal such a job at its start: it would be put back into the queue again and again.
    if isinstance(cluster, SlurmConfig) and cluster.signal_delay_s >= 60 * cluster.timeout_min:
        raise UserError(f"cluster.signal_delay_s={cluster.signal_delay_s}: set less than {60 * cluster.timeout_min}")
    return cluster


def check_devices(composed: DictConfig) -> None:
    """Reserve no GPUs for a training on CPUs, in place, and refuse nodes and devices other than the trainer's."""
    cluster, trainer = composed.get("cluster"), composed.trainer
    if cluster is None:
        return
    follows = "gpus_per_node" in cluster and OmegaConf.is_interpolation(cluster, "gpus_per_node")
    if trainer.accelerator == "cpu" and follows:
        cluster.gpus_per_node = None
    for key, name in OF_TRAINER.items():
        if cluster.get(key) not in (None, trainer[name]):
            raise UserError(f"cluster.{key}={cluster[key]} is not trainer.{name}={trainer[name]}: set the latter alone")
    if cluster.get("name") == "local" and trainer.num_nodes != 1:
        raise UserError(f"trainer.num_nodes={trainer.num_nodes}: +cluster=local is one machine: type +cluster=slurm")
