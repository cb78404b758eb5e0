"""The rank of this process among those of its run, from the environment that its starter set; needs no torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from karyocyte.common.errors import UserError

if TYPE_CHECKING:
    from karyocyte.config.schema import TrainerConfig

Starter = Literal["torchrun", "slurm"]
# Environment variables that Slurm sets for each task of a step, and torchrun for each of its processes: number of
# processes, rank, rank on the node, node.
STARTERS: dict[Starter, tuple[str, str, str, str]] = {
    "torchrun": ("WORLD_SIZE", "RANK", "LOCAL_RANK", "GROUP_RANK"),
    "slurm": ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"),
}
# Set by srun only: a batch script sees the variables of its tasks too, but has started none of them.
STEP = "SLURM_STEP_ID"


@dataclass(frozen=True)
class World:
    """The processes of a run, as one of them sees them: their number, and which this one is, of all and on its node.

    ``starter`` is what started the processes, None for a single one; ``local_rank`` is the index of its device.
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


def world_of(trainer: "TrainerConfig", environment: Mapping[str, str] = os.environ) -> World:
    """Return this process's place among the ``devices * num_nodes`` processes of its run.

    A run of one process is alone, whatever Slurm counts: srun may start several such runs in one step. Where torchrun
    was started within a Slurm job, torchrun counts. A ``UserError``: the run asks for others than were started.
    """
    world = started_world(environment)
    if trainer.processes == 1 and (world.starter != "torchrun" or world.size == 1):
        return World()
    expected = (trainer.processes, world.rank // trainer.devices, True)
    if (world.size, world.node, world.local_rank < trainer.devices) == expected:
        return world
    places = f"--nodes={trainer.num_nodes} --ntasks-per-node={trainer.devices}"
    multirun = "-m +cluster=slurm"
    if trainer.num_nodes == 1:
        multirun += " or +cluster=local"
    raise UserError(
        f"trainer.devices={trainer.devices} on trainer.num_nodes={trainer.num_nodes} needs {trainer.processes} "
        f"processes; {world.starter or 'this command'} has started {world.size}, this is number {world.local_rank} on "
        f"node {world.node}: add {multirun}, or within a Slurm job srun {places} python train.py ..., or use "
        f"torchrun --nnodes={trainer.num_nodes} --nproc-per-node={trainer.devices} train.py ..."
    )


def started_world(environment: Mapping[str, str] = os.environ) -> World:
    """Return this process's place among those that torchrun or srun has started; the only one where it is alone."""
    for starter, names in STARTERS.items():
        if environment.keys() >= set(names) and (starter != "slurm" or STEP in environment):
            size, rank, local_rank, node = (int(environment[name]) for name in names)
            return World(size, rank, local_rank, node, starter)
    return World()
