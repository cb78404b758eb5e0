"""The commands of the tutorial on a real Slurm, with two of the jobs of its sweep."""

import subprocess

from karyocyte.common.paths import ROOT
from tests.cluster.slurm import Cluster
from tests.tutorials.reader import TUTORIALS, commands

CLUSTER = (  # what starts and stops the cluster of all these tests
    "scripts/dev_cluster.sh start --install",
    'eval "$(scripts/dev_cluster.sh env)"',
    "scripts/dev_cluster.sh stop",
)
SMALLER = " +experiment=scratch_cnn_d128"


def test_the_commands_run_and_leave_what_the_tutorial_says(cluster, tmp_path):
    for name in (".venv", "scripts", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    typed = commands(TUTORIALS / "sweep_on_slurm.md")
    assert set(CLUSTER) < set(typed)
    printed = [run(cluster, command, tmp_path) for command in typed if command not in CLUSTER]
    assert "2 missing" in printed[1]
    assert "2 of 2 jobs are finished" in printed[2]
    assert "2 finished" in printed[3]
    assert "2 of 2 jobs are done already" in printed[4]
    assert (tmp_path / "smoke_grid.csv").is_file()


def run(cluster: Cluster, command: str, folder) -> str:
    """Run a command with the environment of this Python; it must succeed."""
    smaller = SMALLER if "train.py" in command else ""
    done = subprocess.run(
        ["bash", "-ec", f"source .venv/bin/activate; {command}{smaller}"],
        cwd=folder,
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout
