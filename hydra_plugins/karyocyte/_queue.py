"""What Slurm's commands say: which jobs are in the queue, and why a job was refused."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from common.cluster_schema import SlurmConfig
from common.errors import UserError

HELD = "HELD"
PATIENCE = 60  # seconds to wait for Slurm's answer
# The key that a word of sbatch's is about; the first one that is found counts ("account or account/partition").
ABOUT = {
    "account": "account",
    "qos": "qos",
    "partition": "partition",
    "feature": "constraint",
    "node name": "exclude",
    "time limit": "timeout_min",
    "option": "additional_parameters",
}


def check_slurm() -> None:
    """Refuse a machine without Slurm.

    Raises:
        UserError: sbatch, srun or squeue is not on the PATH.
    """
    missing = [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"+cluster=slurm: there is no {missing[0]} on this machine: call it on a login node of the cluster, "
            "or take +cluster=local"
        )


def queued() -> dict[str, str] | None:
    """Return the state of each of the user's jobs that are in the queue, by id (``<array>_<task>``).

    Slurm's accounting is not asked: many clusters have none. None: the controller does not answer just now. A job that
    Slurm has put aside since it could not start it has the state ``HELD``.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    lines = [line.strip().split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2]
    return {number: HELD if "requeued held" in reason else state for number, state, reason in lines}


def release(slurm_id: str) -> None:
    """Let a job that was put aside begin; of the queue's own accord it never would."""
    subprocess.run(["scontrol", "release", slurm_id], capture_output=True, check=False, timeout=PATIENCE)


def cancel(slurm_id: str) -> None:
    """Take a job out of the queue."""
    subprocess.run(["scancel", slurm_id], capture_output=True, check=False, timeout=PATIENCE)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C off until the block has ended, for this process and for the commands that it starts.

    Raises:
        KeyboardInterrupt: At the end, where Ctrl-C came meanwhile.
    """
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, frame: came.append(signum))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # handed down to commands, as a handler is not
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def explain_refusal(message: str, asked: SlurmConfig) -> UserError:
    """Return an error of one line for what sbatch has said."""
    lines = message.strip().splitlines() or ["no reason given"]
    said = [line.rpartition("error: ")[2] for line in lines if "error:" in line]
    said = [line.removeprefix("Batch job submission failed: ").strip() for line in said]
    text = "; ".join(dict.fromkeys(said)) or lines[0]
    lowered = text.lower()
    key = next((key for word, key in ABOUT.items() if word in lowered), None)
    if key:
        there = f"; there are {_sinfo('%R')}" if key == "partition" else ""
        return UserError(f"cluster.{key}={getattr(asked, key)}: {text}{there}")
    if any(word in lowered for word in ("node", "gres", "memory", "cpu", "processors")):
        nodes = _sinfo("%N: %c cores, %m MB, %G")
        return UserError(
            f"no node has what is asked ({text}): see cluster.gpus_per_node, cpus_per_task, mem_gb, trainer.num_nodes "
            f"and trainer.devices; there are {nodes}"
        )
    return UserError(f"sbatch refuses the job: {text}")


def _sinfo(form: str) -> str:
    """What sinfo says, each line once."""
    done = subprocess.run(["sinfo", "--noheader", f"--format={form}"], capture_output=True, text=True, check=False)
    return ", ".join(dict.fromkeys(line.strip() for line in done.stdout.splitlines())) or "none (sinfo is silent)"
