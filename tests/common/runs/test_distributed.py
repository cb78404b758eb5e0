"""Who a process is among those of its run: told by what started it, checked against what is asked for."""

import pytest

from common.config.schema import TrainerConfig
from common.errors import UserError
from common.runs.distributed import World, world_of

BATCH_SCRIPT = {"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_STEP_ID": "0"}
TORCHRUN = {"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}


def trainer(devices: int, nodes: int = 1) -> TrainerConfig:
    return TrainerConfig(devices=devices, num_nodes=nodes)


def test_slurm_and_torchrun_say_who_a_process_is():
    assert world_of(trainer(2, 2), SLURM) == World(4, 3, 1, 1, "slurm")
    assert world_of(trainer(2, 2), TORCHRUN) == World(4, 2, 0, 1, "torchrun")
    assert [
        world_of(trainer(2, 2), found).is_first for found in (SLURM, {**TORCHRUN, "RANK": "0", "GROUP_RANK": "0"})
    ] == [
        False,
        True,
    ]


def test_torchrun_within_a_slurm_job_counts():
    one_task_per_node = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_NODEID": "1"}
    assert world_of(trainer(2, 2), one_task_per_node | TORCHRUN).starter == "torchrun"


def test_a_run_of_one_process_is_on_its_own_whatever_slurm_counts():
    assert world_of(trainer(1), SLURM) == world_of(trainer(1), {**TORCHRUN, "WORLD_SIZE": "1"}) == World(1, 0, 0, 0)


def test_processes_of_torchrun_that_the_run_does_not_know_of_are_refused():
    with pytest.raises(UserError, match="is one process, torchrun has started 4: set trainer.devices"):
        world_of(trainer(1), TORCHRUN)


@pytest.mark.parametrize("environment", [{}, BATCH_SCRIPT], ids=["by hand", "by a batch script, without srun"])
def test_a_process_started_alone_is_told_the_ways_out(environment):
    with pytest.raises(UserError) as caught:
        world_of(trainer(2), environment)
    for way in ("+cluster=slurm", "torchrun --nnodes=1 --nproc-per-node=2 train.py", "srun --nodes=1"):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    ("devices", "nodes", "fault"),
    [
        pytest.param(3, 1, "needs 3 processes, slurm has started 4", id="another number"),
        pytest.param(4, 1, "process 3 is number 1 on node 1", id="on more nodes"),
        pytest.param(1, 4, "distributed the processes differently", id="on fewer nodes"),
    ],
)
def test_processes_started_otherwise_than_asked_for_are_refused(devices, nodes, fault):
    with pytest.raises(UserError, match=fault):
        world_of(trainer(devices, nodes), SLURM)
