"""The processes of one run: who they are, told by what started them. No torch is needed to know it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from common.config.schema import TrainerConfig
from common.errors import UserError

# What Slurm tells each task of a step, and torchrun each of its processes: size, rank, rank on the node, node.
Starter = Literal["torchrun", "slurm"]
STARTERS: dict[Starter, tuple[str, str, str, str]] = {
    "torchrun": ("WORLD_SIZE", "RANK", "LOCAL_RANK", "GROUP_RANK"),
    "slurm": ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"),
}
# Told by srun alone: a batch script knows of its tasks too, but has started none of them.
STEP = "SLURM_STEP_ID"


@dataclass(frozen=True)
class World:
    """The processes of a run, as one of them sees them.

    Attributes:
        size: How many there are.
        rank: Which of them this is, from 0; the first one writes and prints.
        local_rank: Which of them it is on its node, and so which of the node's devices it computes on.
        node: Which of the nodes it is on.
        starter: What has started them, None for a process on its own.
    """

    size: int = 1
    rank: int = 0
    local_rank: int = 0
    node: int = 0
    starter: Starter | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0


def world_of(trainer: TrainerConfig, environment: Mapping[str, str] = os.environ) -> World:
    """Return this process's place among the ``devices * num_nodes`` of its run.

    A run of one process is on its own, whatever Slurm counts: packed jobs share a Slurm step. Where torchrun was
    started within a Slurm job, torchrun counts; its processes are for one run always.

    Raises:
        UserError: The run asks for several processes, and this one was started alone, or among another number of them,
            or the processes are spread over the nodes in another way.
    """
    wanted = trainer.devices * trainer.num_nodes
    world = _started(environment)
    if wanted == 1 and (world is None or world.starter == "slurm" or world.size == 1):
        return World()
    asked = f"trainer.devices={trainer.devices} on trainer.num_nodes={trainer.num_nodes}"
    if wanted == 1:
        raise UserError(f"{asked} is one process, torchrun has started {world.size}: set trainer.devices to as many")
    if world is None:
        raise UserError(f"{asked} needs {wanted} processes, and this one was started alone: {_way_out(trainer)}")
    starter = world.starter
    if world.size != wanted:
        raise UserError(f"{asked} needs {wanted} processes, {starter} has started {world.size}: {_way_out(trainer)}")
    if world.local_rank >= trainer.devices or world.node != world.rank // trainer.devices:
        where = f"process {world.rank} is number {world.local_rank} on node {world.node}"
        raise UserError(f"{asked}: {starter} has spread the processes otherwise, {where}: {_way_out(trainer)}")
    return world


def told_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Return the rank that this process was told, 0 where it was started alone; whether it fits a run is not asked."""
    told = (environment.get(rank) for _, rank, _, _ in STARTERS.values())
    return int(next((rank for rank in told if rank is not None), 0))


def _started(environment: Mapping[str, str]) -> World | None:
    """This process's place among those that something has started; None where it was started alone."""
    for starter, names in STARTERS.items():
        if all(name in environment for name in names) and (starter == "torchrun" or STEP in environment):
            return World(*(int(environment[name]) for name in names), starter=starter)
    return None


def _way_out(trainer: TrainerConfig) -> str:
    """How the processes of such a run are started."""
    nodes = trainer.num_nodes
    devices = trainer.devices
    by_hand = f"torchrun --nnodes={nodes} --nproc-per-node={devices} train.py ..."
    slurm = f"srun --nodes={nodes} --ntasks-per-node={devices} python train.py ..."
    return f"add -m +cluster=slurm, or use {by_hand}, or within a Slurm job {slurm}"
