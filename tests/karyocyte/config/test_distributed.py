"""Which of its run's processes a process is: by what started it, checked against what is asked for."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.config.distributed import World, world_of
from karyocyte.config.schema import TrainerConfig

BATCH_SCRIPT = {"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_STEP_ID": "0"}
TORCHRUN = {"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}


@pytest.mark.parametrize(
    ("devices", "nodes", "environment", "world"),
    [
        pytest.param(2, 2, SLURM, World(4, 3, 1, 1, "slurm"), id="slurm"),
        pytest.param(2, 2, TORCHRUN, World(4, 2, 0, 1, "torchrun"), id="torchrun"),
        pytest.param(2, 2, BATCH_SCRIPT | TORCHRUN, World(4, 2, 0, 1, "torchrun"), id="torchrun in a Slurm job"),
        pytest.param(1, 1, SLURM, World(), id="one process, whatever Slurm counts"),
        pytest.param(1, 1, TORCHRUN | {"WORLD_SIZE": "1"}, World(), id="torchrun of one process"),
    ],
)
def test_the_environment_says_which_process_this_is(devices, nodes, environment, world):
    actual = world_of(TrainerConfig(devices=devices, num_nodes=nodes), environment)
    assert actual == world
    assert actual.is_first == (world.rank == 0)


@pytest.mark.parametrize(
    ("devices", "nodes", "environment", "fault"),
    [
        pytest.param(1, 1, TORCHRUN, "needs 1 processes; torchrun has started 4", id="unwanted"),
        pytest.param(3, 1, SLURM, "needs 3 processes; slurm has started 4", id="another number"),
        pytest.param(1, 4, SLURM, "this is number 1 on node 1", id="on fewer nodes"),
        pytest.param(2, 1, {}, r"\+cluster=slurm", id="by hand"),
        pytest.param(2, 1, BATCH_SCRIPT, "srun --nodes=1", id="by a batch script, without srun"),
    ],
)
def test_processes_started_otherwise_than_asked_for_are_refused(devices, nodes, environment, fault):
    with pytest.raises(UserError, match=fault):
        world_of(TrainerConfig(devices=devices, num_nodes=nodes), environment)
