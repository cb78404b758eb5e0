"""The typed schema of conf/cluster/: where the jobs of a multirun run. Taken off before a run's configuration."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from common.config.base import StrictModel
from common.errors import UserError


class HereConfig(StrictModel):
    """One job after another, in this process."""

    name: Literal["none"] = "none"
    retries: Literal[0] = 0


class LocalConfig(StrictModel):
    """A few jobs at a time on this machine."""

    name: Literal["local"]
    jobs: PositiveInt = 2
    retries: Annotated[int, Field(ge=0)] = 1


class SlurmConfig(StrictModel):
    """Jobs of a Slurm cluster; the names are those of sbatch and submitit."""

    name: Literal["slurm"]
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    nodes: PositiveInt = 1
    tasks_per_node: PositiveInt = 1
    gpus_per_node: PositiveInt | None = None
    cpus_per_task: PositiveInt | None = None
    mem_gb: PositiveFloat | None = None
    timeout_min: PositiveInt = 240
    array_parallelism: PositiveInt = 256
    signal_delay_s: PositiveInt = 120
    setup: tuple[str, ...] = ()
    additional_parameters: dict[str, str | int | bool] = {}
    pack: PositiveInt = 1
    retries: Annotated[int, Field(ge=0)] = 2
    poll_seconds: PositiveFloat = 5.0


ClusterConfig = HereConfig | LocalConfig | SlurmConfig
_ADAPTER: TypeAdapter[ClusterConfig] = TypeAdapter(Annotated[ClusterConfig, Field(discriminator="name")])


def check_cluster(node: DictConfig | Mapping[str, Any] | None) -> ClusterConfig:
    """Return the typed settings of the ``cluster`` node; None: one job after another.

    Raises:
        UserError: A key is unknown, or a value has the wrong type or range.
    """
    if node is None:
        return HereConfig()
    values: Any = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else dict(node)
    try:
        cluster = _ADAPTER.validate_python(values)
    except ValidationError as error:
        raise UserError(_explain(error, values)) from error
    if isinstance(cluster, SlurmConfig) and cluster.pack > 1 and (cluster.nodes, cluster.tasks_per_node) != (1, 1):
        raise UserError(
            f"cluster.pack={cluster.pack} puts jobs of one process on one GPU: leave trainer.devices=1 and "
            "trainer.num_nodes=1, or set cluster.pack=1"
        )
    return cluster


def known_keys() -> list[str]:
    """Return the keys of all clusters, dotted."""
    return sorted({f"cluster.{name}" for model in (LocalConfig, SlurmConfig) for name in model.model_fields})


def _explain(error: ValidationError, values: Mapping[str, Any]) -> str:
    fault = error.errors()[0]
    key = ".".join(["cluster", *(str(part) for part in fault["loc"] if part != values.get("name"))])
    if fault["type"] == "extra_forbidden":
        known = known_keys()
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.6) or known
        return f"unknown key {key}: did you mean {' or '.join(near)}?"
    if fault["type"].startswith("union_tag"):
        return f"cluster.name: {values.get('name')!r} is neither local nor slurm"
    return f"{key}: {fault['msg']} (found {fault['input']!r})"
