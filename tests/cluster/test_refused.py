"""What a cluster does not take is said in one line, before anything is waited for."""

from pathlib import Path

from tests.cluster.slurm import Cluster, submitted
from tests.helpers.training import SMALL


def error_of(cluster: Cluster, *overrides: str, folder: Path) -> str:
    """The one line in which a multirun ends that cannot be submitted."""
    code, said = cluster.run(*SMALL, *overrides, folder=folder)
    assert code == 1
    assert "Traceback" not in said
    assert submitted(folder) == {}
    assert list((folder / "outputs").glob("sweeps/*/slurm/*.pkl")) == []
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, said
    return lines[0]


def test_a_partition_that_does_not_exist(cluster, tmp_path):
    said = error_of(cluster, "cluster.partition=nowhere", folder=tmp_path / "sweep")
    assert "cluster.partition=nowhere" in said
    assert "there are low, high" in said


def test_more_gpus_than_a_node_has(cluster, tmp_path):
    asked = ["trainer.devices=3", "cluster.gpus_per_node=3"]
    said = error_of(cluster, *asked, folder=tmp_path / "sweep")
    assert "cluster.gpus_per_node" in said
    assert "gpu:2" in said  # what there is
