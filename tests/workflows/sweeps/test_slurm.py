"""Batch scripts, run by bash with a stand-in for srun, and Slurm's commands, played by small scripts.

The real ones are tried in tests/cluster.
"""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.config.cluster import SlurmConfig
from common.errors import UserError
from workflows.sweeps.slurm import (
    Batch,
    batch_texts,
    check_slurm,
    explain_refusal,
    in_batches,
    queued_jobs,
    sbatch_options,
    submit,
    uninterrupted,
)

# Prints the words of its command, and, as srun does, starts a task for each of as many as are asked for.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do options="$options $1"; shift; done
for ((SLURM_PROCID = 0; SLURM_PROCID < ${TASKS:-1}; SLURM_PROCID++)); do export SLURM_PROCID; "$@"; done
"""
SHOW = ("bash", "-c", "printf '%s\\0' \"$@\"; printf '\\n\\0'", "show")  # a program that prints its arguments
FAILED = "sbatch: error: Batch job submission failed: "


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Let a command print a text and end with a code."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def play(name: str, text: str = "", code: int = 0) -> None:
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\nprint({text!r})\nraise SystemExit({code})\n")
        script.chmod(0o755)

    return play


def test_a_machine_without_slurm_is_refused_and_the_missing_command_named(slurm):
    slurm("sbatch")
    with pytest.raises(UserError, match="there is no srun on this machine"):
        check_slurm()
    slurm("srun")
    slurm("squeue")
    check_slurm()


@pytest.mark.parametrize(
    ("text", "code", "states"),
    [
        ("12_0|RUNNING|None\n13|COMPLETING|a|b\n", 0, {"12_0": "RUNNING", "13": "COMPLETING"}),
        ("1|PENDING|launch failed requeued held\n2|PENDING|JobHeldUser\n", 0, {"1": "HELD", "2": "PENDING"}),
        ("", 0, {}),
        ("", 1, None),  # a silent controller
    ],
)
def test_the_states_of_the_queue(slurm, text, code, states):
    slurm("squeue", text, code)
    assert queued_jobs() == states


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (f"sbatch: error: invalid partition specified: nope\n{FAILED}Invalid", "cluster.partition=nope: .*gpu, cpu"),
        (f"{FAILED}Requested node configuration is not available", "gpus_per_node"),
        (f"{FAILED}Node count specification invalid", "trainer.num_nodes"),
        (f"{FAILED}Invalid account or account/partition combination", "^cluster.account=None: Invalid account or acc"),
        (f"{FAILED}Invalid node name specified", "^cluster.exclude=None: "),
        (f"{FAILED}Invalid feature specification", "^cluster.constraint=None: "),
        (f"{FAILED}More processors requested than permitted", "cpus_per_task"),
        ("sbatch: unrecognized option '--x'\nTry \"sbatch --help\"", "^cluster.additional_parameters=.*'--x'$"),
        (f"{FAILED}Access denied", "^sbatch refuses the job: Access denied$"),
        ("", "no reason given"),
    ],
)
def test_a_refusal_becomes_one_line_that_names_the_key(slurm, message, answer):
    slurm("sinfo", "gpu\ncpu\ngpu")
    error = explain_refusal(message, SlurmConfig(name="slurm", partition="nope"))
    assert len(str(error).splitlines()) == 1
    with pytest.raises(UserError, match=answer):
        raise error


def test_ctrl_c_waits_for_the_end_of_a_submission_and_spares_its_command():
    program = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('submitted', end='')"
    done = []

    def submit_slowly() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False))

    with pytest.raises(KeyboardInterrupt):
        submit_slowly()
    assert [(command.returncode, command.stdout) for command in done] == [(0, "submitted")]
    with pytest.raises(KeyboardInterrupt):  # as ever
        os.kill(os.getpid(), signal.SIGINT)


def test_jobs_with_the_same_needs_share_an_array():
    small, big = SlurmConfig(name="slurm"), SlurmConfig(name="slurm", tasks_per_node=2)
    assert in_batches([small, big, small.model_copy()]) == [(small, [0, 2]), (big, [1])]


def test_a_submission_keeps_the_lists_of_earlier_ones(slurm, tmp_path):
    jobs = batch(tmp_path, [["a"], ["b"], ["c"]], pack=2)
    slurm("sbatch", "12;cluster")
    for _ in range(2):
        assert submit(jobs) == ["12_0", "12_0", "12_1"]
    slurm("sbatch", code=1)
    with pytest.raises(UserError, match="sbatch refuses"):
        submit(jobs)
    files = {path.name for path in (tmp_path / "sweep" / "slurm").iterdir()}
    assert files == {"1.sbatch", "1.jobs", "2.sbatch", "2.jobs"}


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    (folder / "srun").write_text(SRUN)
    (folder / "srun").chmod(0o755)
    return folder


def batch(folder, jobs, program=SHOW, **keys):
    commands = tuple((*program, *job) for job in jobs)
    return Batch(SlurmConfig(name="slurm", **keys), commands, folder, folder / "sweep", ("sbatch.py",))


def run(folder, stand_in, batch, member, tasks=1):
    """Run a member of the array; return the words that each task's program was given."""
    for path, text in batch_texts(batch, folder / "job.sbatch").items():
        path.write_text(text)
    environment = {"PATH": f"{stand_in}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": str(member), "TASKS": str(tasks)}
    done = subprocess.run(["bash", folder / "job.sbatch"], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    return [tuple(part.split("\0")[:-1]) for part in done.stdout.decode().split("\n\0")[:-1]]


# Whatever an argument can hold, line breaks aside: they have an error of their own.
WORDS = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=3), st.data())
@example(
    [["+experiment=a", "data_dir='/my data/x=1'", 'a={b: [1, "c d"]}', "$HOME", "`id`", "!!", "\\", "*", ""]], None
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
    assert {"--array=0-1%64", "--ntasks-per-node=3"} <= set(sbatch_options(packed))
    # One that fails must not end its neighbours; of a group of processes, one that fails must end the others.
    for pack, kill in ((3, 0), (1, 1)):
        script = batch_texts(batch(tmp_path, jobs, pack=pack), tmp_path / "x")[tmp_path / "x"]
        assert f"--kill-on-bad-exit={kill}" in script


def test_a_line_break_is_refused_and_a_member_beyond_the_list_fails(tmp_path, stand_in):
    with pytest.raises(UserError, match="line break"):
        batch_texts(batch(tmp_path, [["a=1\nb"]]), tmp_path / "job.sbatch")
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path, stand_in, batch(tmp_path, [["seed=0"]]), 7)


def test_the_keys_of_the_cluster_become_options_of_sbatch(tmp_path):
    keys = {"partition": "gpu", "qos": "long", "gpus_per_node": 4, "mem_gb": 1.5, "signal_delay_s": 90, "nodes": 2}
    more = {"mail_type": "FAIL", "comment": "two words", "exclusive": True, "overcommit": False}
    asked = batch(tmp_path / "100%", [["a"]], tasks_per_node=4, additional_parameters=more, **keys)
    expected = "job-name=sweep partition=gpu qos=long nodes=2 gpus-per-node=4 ntasks-per-node=4"
    expected += " cpus-per-task=4 mem=1536M time=240 array=0-0%64 requeue open-mode=append"
    expected += " signal=USR1@90 mail-type=FAIL exclusive"
    options = {f"--{option}" for option in expected.split()}
    options |= {'--comment="two words"', f"--output={tmp_path}/100%%/sweep/slurm/%A_%a.log"}
    assert set(sbatch_options(asked)) == options
    with pytest.raises(UserError, match="takes no quotes"):
        sbatch_options(batch(tmp_path, [["a"]], partition='a"b'))
