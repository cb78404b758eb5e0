"""What Slurm's commands say, played by small scripts: the real ones are tried in tests/cluster."""

import os
import signal
import subprocess
import sys

import pytest

from common.config.cluster import SlurmConfig
from common.errors import UserError
from hydra_plugins.karyocyte._slurm import check_slurm, explain_refusal, queued, undisturbed


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Let a command print a text and end with a code."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def play(name: str, text: str = "", code: int = 0) -> None:
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\nprint({text!r})\nraise SystemExit({code})\n")
        script.chmod(0o755)

    return play


def test_a_machine_without_slurm_is_refused_and_names_what_is_missing(slurm):
    slurm("sbatch")
    with pytest.raises(UserError, match="there is no srun on this machine"):
        check_slurm()
    slurm("srun")
    slurm("squeue")
    check_slurm()


def test_the_queue_lists_members_of_arrays_one_by_one(slurm):
    slurm("squeue", "12_0|RUNNING|None\n12_1|PENDING|Resources\n13|COMPLETING|a|b\n")
    assert queued() == {"12_0": "RUNNING", "12_1": "PENDING", "13": "COMPLETING"}


def test_what_slurm_has_put_aside_is_told_from_what_waits_and_from_what_its_user_holds(slurm):
    slurm("squeue", "1|PENDING|launch failed requeued held\n2|PENDING|JobHeldUser\n")
    assert queued() == {"1": "HELD", "2": "PENDING"}


def test_an_empty_queue_is_not_a_silent_controller(slurm):
    slurm("squeue")
    assert queued() == {}
    slurm("squeue", code=1)
    assert queued() is None


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid",
            "cluster.partition=nope: .*there are gpu, cpu",
        ),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", "gpus_per_node"),
        ("sbatch: error: Batch job submission failed: Node count specification invalid", "trainer.num_nodes"),
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
            "^cluster.account=None: Invalid account or account/partition combination specified$",
        ),
        ("sbatch: error: Batch job submission failed: Invalid node name specified", "^cluster.exclude=None: "),
        ("sbatch: error: Batch job submission failed: Invalid feature specification", "^cluster.constraint=None: "),
        ("sbatch: error: Batch job submission failed: More processors requested than permitted", "cpus_per_task"),
        ("sbatch: unrecognized option '--x'\nTry \"sbatch --help\"", "^cluster.additional_parameters=.*'--x'$"),
        ("sbatch: error: Batch job submission failed: Access denied", "^sbatch refuses the job: Access denied$"),
        ("", "no reason given"),
    ],
)
def test_a_refusal_becomes_one_line_that_names_the_key(slurm, message, said):
    slurm("sinfo", "gpu\ncpu\ngpu")
    error = explain_refusal(message, SlurmConfig(name="slurm", partition="nope"))
    assert len(str(error).splitlines()) == 1
    with pytest.raises(UserError, match=said):
        raise error


def test_ctrl_c_waits_for_the_end_of_a_submission_and_spares_its_command():
    program = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('submitted', end='')"
    found = []

    def submit() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            found.append(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False))

    with pytest.raises(KeyboardInterrupt):
        submit()
    assert [(done.returncode, done.stdout) for done in found] == [(0, "submitted")]
    with pytest.raises(KeyboardInterrupt):  # as ever
        os.kill(os.getpid(), signal.SIGINT)
