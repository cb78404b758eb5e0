"""scripts/sbatch.py: the files that it writes for a command line."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.sweeps import records as sweeps
from scripts.sbatch import app
from workflows.sweeps.sbatch import grid

TINY = ["data=synthetic", "weights=random", "model=resnet18"]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Call the script in an empty folder; returns the result and what it printed."""
    monkeypatch.chdir(tmp_path)

    def write(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)
        return result, " ".join(result.output.split())

    return write


def test_a_sweep_becomes_an_array_whose_members_are_its_jobs(tmp_path, write):
    typed = ["+sweep=smoke_grid", "cluster.array_parallelism=2", 'cluster.setup=["export A=1"]', "seed=0"]
    result, said = write("-m", *typed, "-o", "grid.sbatch")
    assert result.exit_code == 0, said
    assert f"3 jobs written {tmp_path}/grid.jobs {tmp_path}/grid.sbatch submit sbatch {tmp_path}/grid.sbatch" in said
    script = (tmp_path / "grid.sbatch").read_text()
    assert "#SBATCH --array=0-2%2\n" in script
    assert "\nexport A=1\n" in script
    lines = (tmp_path / "grid.jobs").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [sys.executable] * 3
    assert all(line.split()[1].endswith("/train.py") and "+sweep=" not in line for line in lines)

    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    assert f"\nexport {sweeps.VARIABLE}={folder}\n" in script
    assert (folder / "slurm").is_dir()
    with grid([*typed, "+cluster=slurm"]) as expanded:  # the launcher computes the keys of the jobs from the same words
        assert sweeps.read_sweep(folder).jobs == tuple(sweeps.job_of(job) for job in expanded.jobs)


def test_one_job_needs_no_sweep(tmp_path, write):
    result, said = write("+experiment=resnet50_cut_block5", "cluster.partition=gpu")
    assert result.exit_code == 0, said
    assert "1 job written" in said
    assert "#SBATCH --array=0-0" in (tmp_path / "job.sbatch").read_text()
    assert len((tmp_path / "job.jobs").read_text().splitlines()) == 1


def test_workers_of_a_search(tmp_path, write):
    result, said = write("-m", *TINY, "+search=lr_batch", "search.worker=range(0,3)", "--python", "/opt/python")
    assert result.exit_code == 0, said
    lines = (tmp_path / "job.jobs").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["/opt/python"] * 3
    assert all(line.split()[1].endswith("/scripts/tune.py") for line in lines)
    assert [f"search.worker={number}" in line for number, line in enumerate(lines)] == [True] * 3


def test_jobs_of_different_needs_have_scripts_of_their_own(tmp_path, write):
    result, said = write("-m", *TINY, "trainer.devices=1,2", "seed=0,1", "-o", "two.sbatch")
    assert result.exit_code == 0, said
    for number, devices in ((1, 1), (2, 2)):
        assert f"--gpus-per-node={devices}\n" in (tmp_path / f"two-{number}.sbatch").read_text()
        lines = (tmp_path / f"two-{number}.jobs").read_text().splitlines()
        assert len(lines) == 2
        assert all(f"trainer.devices={devices}" in line for line in lines)
    assert len(list((tmp_path / "outputs" / "sweeps").iterdir())) == 1


@pytest.mark.parametrize("there", ["job.sbatch", "job.jobs"])
def test_a_file_is_overwritten_by_force_alone(tmp_path, write, there):
    (tmp_path / there).write_text("mine")
    result, said = write(*TINY)
    assert result.exit_code == 1
    assert "--force" in said
    assert (tmp_path / there).read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {there}
    assert write(*TINY, "--force")[0].exit_code == 0
    assert (tmp_path / there).read_text() != "mine"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["+cluster=local"], "+cluster=local is no Slurm"),
        (["+cluster=slrum"], "did you mean slurm"),
        (["+sweep=cnmc_gird"], "did you mean cnmc_grid"),
        (["cluster.partitoin=x"], "cluster.partition"),
        (["cluster.timeout_min=0"], "cluster.timeout_min"),
        (["trainer.max_epoch=3"], "trainer.max_epoch"),
        (["-m", "trainer.max_epochs=1,0"], "trainer.max_epochs"),
        (["seed=0,1"], "seed"),  # without -m
        (["+profile=smoke", "+experiment=hem_all_cnn_32"], "type `+experiment=hem_all_cnn_32 +profile=smoke`"),
        (["a=[b"], "cannot read the override"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, write, typed, words):
    result, said = write(*typed)
    assert result.exit_code == 1
    assert said.startswith("error: ")
    assert words in said
    assert result.output.count("\n") == 1
    assert not list(Path(tmp_path).iterdir())
