"""How the processes of a run meet, as the second of two sees it, with and without GPUs."""

from contextlib import nullcontext

import pytest
import torch
import torch.distributed as dist

from karyocyte.common.errors import UserError
from lightning_modules.support import distributed
from tests.helpers.training import small_config

STARTED = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "GROUP_RANK": "0"}  # by torchrun
BOTH = "cpu:gloo,cuda:nccl"


@pytest.mark.parametrize(
    ("gpus", "accelerator", "backend"),
    [(0, "auto", "gloo"), (2, "cpu", "gloo"), (2, "auto", BOTH), (3, "gpu", BOTH), (2, "cuda", BOTH), (1, "gpu", None)],
)
def test_processes_meet_over_gloo_and_on_gpus_over_nccl_too(tmp_path, monkeypatch, gpus, accelerator, backend):
    for name, value in {**STARTED, "MASTER_ADDR": "node1", "MASTER_PORT": "29555"}.items():
        monkeypatch.setenv(name, value)
    groups, chosen, barriers = [], [], []
    monkeypatch.setattr(distributed, "_worlds", [])
    monkeypatch.setattr(distributed.rank_zero_only, "rank", 0, raising=False)  # which joining sets for the process
    monkeypatch.setattr(distributed, "_store", lambda rank, size: dist.HashStore())
    monkeypatch.setattr(dist, "init_process_group", lambda kind, **how: groups.append({"backend": kind, **how}))
    monkeypatch.setattr(dist, "barrier", lambda: barriers.append(len(groups)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    trainer = small_config(tmp_path, "trainer.devices=2", f"trainer.accelerator={accelerator}").trainer
    refusal = nullcontext() if backend else pytest.raises(UserError, match="--gpus-per-node=2")
    with refusal, distributed.process_group(trainer) as world:
        assert (world.rank, barriers, distributed._worlds) == (1, [1], [world])
    device = torch.device("cuda", 1) if backend == BOTH else None
    expected = {"backend": backend, "world_size": 2, "rank": 1, "device_id": device}
    assert [group | expected for group in groups] == groups
    assert (len(groups), chosen) == (int(backend is not None), [device] * (device is not None))
