"""The typed schema of conf/cluster/: where the jobs of a multirun run. Taken off before a run's configuration."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, PositiveFloat, PositiveInt

from karyocyte.common.errors import UserError
from karyocyte.config.base import Line, StrictModel
from karyocyte.config.explain import resolved_values, validated
from karyocyte.config.overrides import key_of

SWEEP_VARIABLE = "KARYOCYTE_SWEEP"  # tells a job's process the folder of its sweep

# Keys of the cluster that the training reads from the trainer, and their names there.
SHARED = {
    "nodes": "num_nodes",
    "gpus_per_node": "devices",
    "tasks_per_node": "devices",
    "devices": "devices",
    "accelerator": "accelerator",
}


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

    @property
    def wants_gpu(self) -> bool:
        """Whether the job trains on an NVIDIA GPU where there is one."""
        return self.accelerator in ("auto", "gpu", "cuda")


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
_MODELS: dict[Any, type[ClusterConfig]] = {"none": HereConfig, "local": LocalConfig, "slurm": SlurmConfig}


def check_cluster(node: DictConfig | Mapping[str, Any] | None) -> ClusterConfig:
    """Return the typed settings of the ``cluster`` node, checked; None: one job after another."""
    if node is None:
        return HereConfig()
    values = resolved_values(node, "cluster") if isinstance(node, DictConfig) else dict(node)
    if values.get("name") not in _MODELS:
        raise UserError(f"cluster.name: {values.get('name')!r} is neither local nor slurm")
    return validated(_MODELS[values["name"]], values, "cluster")


def set_trainer(composed: DictConfig, overrides: Sequence[str] = ()) -> None:
    """Give ``trainer`` the nodes and devices that are set for ``cluster``, in place; those not set follow the trainer.

    A ``UserError`` refuses what contradicts the typed ``overrides``, and devices that such a training does not use.
    """
    cluster, trainer = composed.get("cluster"), composed.trainer
    if cluster is None:
        return
    typed = {key_of(word).removeprefix("trainer."): word for word in overrides}
    own = [key for key in SHARED if cluster.get(key) is not None and not OmegaConf.is_interpolation(cluster, key)]
    check_cluster(OmegaConf.masked_copy(cluster, ["name", *own]))
    for key in own:
        name = SHARED[key]
        asked = f"cluster.{key}={cluster[key]}"
        if name in typed and trainer[name] != cluster[key]:
            right = typed[name] if typed[name].startswith("cluster") else asked
            raise UserError(f"{asked} contradicts {typed[name]}: type {right} alone, which sets both")
        trainer[name] = cluster[key]
        typed[name] = asked
    # There trainer.devices, which the number of GPUs follows, are processes.
    if trainer.accelerator == "cpu" and "gpus_per_node" in set(cluster).difference(own):
        cluster.gpus_per_node = None
    _check_devices(cluster, trainer)


def _check_devices(cluster: DictConfig, trainer: DictConfig) -> None:
    """Refuse GPUs for a training on CPUs, and several nodes where there is one machine."""
    if trainer.accelerator == "cpu" and cluster.get("gpus_per_node"):
        asked = f"cluster.gpus_per_node={cluster.gpus_per_node} reserves GPUs that trainer.accelerator=cpu does not use"
        raise UserError(f"{asked}: type cluster.gpus_per_node=null cluster.tasks_per_node={trainer.devices}")
    if cluster.get("name") == "local" and trainer.num_nodes != 1:
        raise UserError(f"trainer.num_nodes={trainer.num_nodes}: +cluster=local is one machine: type +cluster=slurm")
