"""scripts/sbatch.py: the files that it writes for a command line."""

import sys
from pathlib import Path

import pytest

from common.config.cluster import SWEEP_VARIABLE
from common.config.grid import grid
from common.runs import sweeps
from scripts.sbatch import app
from tests.helpers.terminal import error_of, run_app

TINY = ["data=synthetic", "weights=random", "model=resnet18"]


@pytest.fixture
def fail(tmp_path, monkeypatch):
    """Call the script in an empty folder where it fails; returns its error."""
    monkeypatch.chdir(tmp_path)

    return lambda *arguments: error_of(run_app(app, *arguments, code=1))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Call the script in an empty folder; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    return lambda *arguments: " ".join(run_app(app, *arguments).output.split())


def jobs(folder, name="job"):
    """The Python, the script and the overrides of each job."""
    return [line.split(maxsplit=2) for line in (folder / f"{name}.jobs").read_text().splitlines()]


def test_a_sweep_becomes_an_array_whose_members_are_its_jobs(tmp_path, write):
    typed = ["+sweep=smoke_grid", "cluster.array_parallelism=2", 'cluster.setup=["export A=1"]', "seed=0"]
    printed = write("-m", *typed, "-o", "grid.sbatch")
    assert f"3 jobs written {tmp_path}/grid.jobs {tmp_path}/grid.sbatch submit sbatch {tmp_path}/grid.sbatch" in printed
    script = (tmp_path / "grid.sbatch").read_text()
    assert "#SBATCH --array=0-2%2\n" in script
    assert "\nexport A=1\n" in script
    assert len(jobs(tmp_path, "grid")) == 3
    for python, program, overrides in jobs(tmp_path, "grid"):
        assert (python, Path(program).name) == (sys.executable, "train.py")
        assert "+sweep=" not in overrides

    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    assert f"\nexport {SWEEP_VARIABLE}={folder}\n" in script
    assert (folder / "slurm").is_dir()
    with grid([*typed, "+cluster=slurm"]) as expanded:  # the launcher computes the keys of the jobs from the same words
        assert sweeps.read_sweep(folder).jobs == tuple(sweeps.job_of(job) for job in expanded.jobs)


def test_one_job_needs_no_sweep(tmp_path, write):
    assert "1 job written" in write("+experiment=resnet50_cut_block5", "cluster.partition=gpu")
    assert "#SBATCH --array=0-0" in (tmp_path / "job.sbatch").read_text()
    assert len(jobs(tmp_path)) == 1


def test_workers_of_a_search(tmp_path, write):
    write("-m", *TINY, "+search=lr_batch", "search.worker=range(0,3)", "--python", "/opt/python")
    for number, (python, program, overrides) in enumerate(jobs(tmp_path)):
        assert (python, Path(program).name) == ("/opt/python", "tune.py")
        assert f"search.worker={number}" in overrides


def test_jobs_of_different_needs_have_scripts_of_their_own(tmp_path, write):
    write("-m", *TINY, "trainer.devices=1,2", "seed=0,1", "-o", "two.sbatch")
    for devices in (1, 2):
        assert f"--gpus-per-node={devices}\n" in (tmp_path / f"two-{devices}.sbatch").read_text()
        overrides = [job[2] for job in jobs(tmp_path, f"two-{devices}")]
        assert [f"trainer.devices={devices}" in words for words in overrides] == [True, True]
    assert len(list((tmp_path / "outputs" / "sweeps").iterdir())) == 1


@pytest.mark.parametrize("name", ["job.sbatch", "job.jobs"])
def test_a_file_is_overwritten_by_force_alone(tmp_path, fail, write, name):
    (tmp_path / name).write_text("mine")
    assert "--force" in fail(*TINY)
    assert (tmp_path / name).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    write(*TINY, "--force")
    assert (tmp_path / name).read_text() != "mine"


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
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, fail, typed, words):
    assert words in fail(*typed)
    assert not list(tmp_path.iterdir())
