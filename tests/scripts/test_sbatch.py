"""scripts/sbatch.py: the scripts that it writes, run by bash with a stand-in for srun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from common.config.cluster import SlurmConfig
from common.errors import UserError
from common.sweeps import records as sweeps
from scripts.sbatch import app
from workflows.sweeps.grid import grid
from workflows.sweeps.sbatch import Batch, jobs_text, sbatch_options, script_text

TINY = ["data=synthetic", "weights=random", "model=resnet18"]
# Prints the words of its command, and, as srun does, starts a task for each of as many as are asked for.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do options="$options $1"; shift; done
for ((SLURM_PROCID = 0; SLURM_PROCID < ${TASKS:-1}; SLURM_PROCID++)); do export SLURM_PROCID; "$@"; done
"""
SHOW = ("bash", "-c", "printf '%s\\0' \"$@\"; printf '\\n\\0'", "show")  # a program that prints what it is given


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Call the script in an empty folder; returns the result and what it printed."""
    monkeypatch.chdir(tmp_path)

    def write(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)
        return result, " ".join(result.output.split())

    return write


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    (folder / "srun").write_text(SRUN)
    (folder / "srun").chmod(0o755)
    return folder


def batch(folder, jobs, program=SHOW, **keys):
    cluster = SlurmConfig(name="slurm", **keys)
    return Batch(cluster, tuple(program), tuple(map(tuple, jobs)), folder, folder / "sweep", ("sbatch.py",))


def run(folder, stand_in, batch, member, tasks=1):
    """Run a member of the array; return the words that each task's program was given."""
    (folder / "list.jobs").write_text(jobs_text(batch))
    (folder / "job.sbatch").write_text(script_text(batch, folder / "list.jobs"))
    environment = {"PATH": f"{stand_in}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": str(member), "TASKS": str(tasks)}
    done = subprocess.run(["bash", folder / "job.sbatch"], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    return [tuple(part.split("\0")[:-1]) for part in done.stdout.decode().split("\n\0")[:-1]]


# Whatever an argument can hold, line breaks aside: they have an error of their own.
WORDS = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=3), st.data())
@example(
    [["+experiment=a", "data_dir='/my data/x=1'", 'a={b: [1, "c d"]}', "$HOME", "`id`", "!!", "\\", "*", "", "\r"]],
    None,
)
def test_bash_gives_back_the_very_words(tmp_path_factory, stand_in, jobs, data):
    folder = tmp_path_factory.mktemp("a folder's")
    member = data.draw(st.integers(0, len(jobs) - 1)) if data else 0
    assert run(folder, stand_in, batch(folder, jobs), member) == [tuple(jobs[member])]


def test_packed_jobs_run_one_per_task_and_the_last_pack_may_be_short(tmp_path, stand_in):
    jobs = [["seed=0", "x y"], ["seed=1"], ["seed=2"], ["seed=3"], ["seed=4", "$x"]]
    packed = batch(tmp_path, jobs, pack=3)
    assert run(tmp_path, stand_in, packed, 0, tasks=3) == [tuple(job) for job in jobs[:3]]
    assert run(tmp_path, stand_in, packed, 1, tasks=3) == [tuple(job) for job in jobs[3:]]
    options = list(sbatch_options(packed))
    assert {"--array=0-1%256", "--ntasks-per-node=3"} <= set(options)
    # One that fails must not end its neighbours; of a group of processes, one that fails must end the others.
    assert "--kill-on-bad-exit=0" in script_text(packed, tmp_path / "jobs")
    assert "--kill-on-bad-exit=1" in script_text(batch(tmp_path, jobs), tmp_path / "jobs")


def test_a_line_break_is_refused(tmp_path):
    with pytest.raises(UserError, match="line break"):
        jobs_text(batch(tmp_path, [["a=1\nb"]]))


def test_a_member_beyond_the_list_fails(tmp_path, stand_in):
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path, stand_in, batch(tmp_path, [["seed=0"]]), 7)


def test_the_keys_of_the_cluster_become_options_of_sbatch(tmp_path):
    keys = {"partition": "gpu", "qos": "long", "gpus_per_node": 4, "mem_gb": 1.5, "signal_delay_s": 90, "nodes": 2}
    more = {"mail_type": "FAIL", "comment": "two words", "exclusive": True, "overcommit": False}
    asked = batch(tmp_path / "100%", [["a"]], tasks_per_node=4, additional_parameters=more, **keys)
    options = set(sbatch_options(asked))
    assert options >= {
        "--partition=gpu",
        "--qos=long",
        "--gpus-per-node=4",
        "--mem=1536M",
        "--signal=USR1@90",
        "--nodes=2",
    }
    assert options >= {"--ntasks-per-node=4", "--requeue", "--open-mode=append", "--array=0-0%256", "--time=240"}
    assert options >= {"--mail-type=FAIL", '--comment="two words"', "--exclusive"}
    assert not [
        option for option in options if option.startswith(("--account", "--constraint", "--overcommit", "--cpus"))
    ]
    assert f"--output={tmp_path}/100%%/sweep/slurm/%A_%a.log" in options
    with pytest.raises(UserError, match="takes no quotes"):
        list(sbatch_options(batch(tmp_path, [["a"]], partition='a"b')))


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
    with grid([*typed, "+cluster=slurm"]) as expanded:  # the keys by which the launcher knows the jobs
        assert [job.key for job in sweeps.read_sweep(folder).jobs] == [sweeps.job_of(job).key for job in expanded.jobs]


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
