"""What a cluster does not take is one line, before anything is waited for."""

from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster, submitted
from tests.helpers.training import SMALL


def error_of(cluster: Cluster, *overrides: str, folder: Path) -> str:
    """The one line in which a multirun ends that cannot be submitted."""
    code, output = cluster.run(*SMALL, *overrides, folder=folder)
    assert code == 1
    assert "Traceback" not in output
    assert submitted(folder) == {}
    assert list((folder / "outputs").glob("sweeps/*/slurm/*.pkl")) == []
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, output
    return lines[0]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["cluster.partition=nowhere"], ["keys of cluster", "invalid partition"]),
        (["trainer.accelerator=auto", "trainer.devices=3", "cluster.gpus_per_node=3"], ["node configuration"]),
    ],
)
def test_what_the_cluster_lacks_is_named_with_the_remedy(cluster, tmp_path, overrides, words):
    error = error_of(cluster, *overrides, folder=tmp_path / "sweep")
    for word in words:
        assert word in error
