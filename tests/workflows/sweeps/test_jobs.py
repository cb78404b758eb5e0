"""The jobs of one Hydra call."""

import pytest
from omegaconf import OmegaConf

from workflows.sweeps.jobs import is_first


@pytest.mark.parametrize(
    ("devices", "nodes", "number", "first"),
    [(1, 1, "1", True), (2, 1, "0", True), (2, 1, "1", False), (1, 2, "1", False)],
)
def test_a_packed_job_is_one_process_whatever_number_slurm_gives_it(monkeypatch, devices, nodes, number, first):
    monkeypatch.setenv("SLURM_PROCID", number)
    composed = OmegaConf.create({"trainer": {"devices": devices, "num_nodes": nodes}})
    assert is_first(composed) is first
