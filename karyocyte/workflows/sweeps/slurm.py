"""Slurm: batch scripts, their submission, and the queue. Accounting is not used: many clusters have none."""

import shlex
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.common.files import make_folder, write_text
from karyocyte.common.preemption import call_slurm
from karyocyte.config.cluster import SWEEP_VARIABLE, SlurmConfig

HELD = "HELD"
# Keys that are options of sbatch by the same name.
SAME_NAME = ("partition", "account", "qos", "constraint", "exclude", "nodes", "gpus_per_node", "cpus_per_task")


def batch_script(cluster: SlurmConfig, jobs: int, sweep: Path, jobs_file: Path) -> str:
    """Return a batch script that runs the lines of ``jobs_file`` (absolute), a member of an array each.

    A preempted job is queued again by its own process or by Slurm. The logs go into ``slurm`` of the sweep's folder.
    """
    # Since Slurm 22.05 srun does not take the cores over from sbatch; the processes of one run end together.
    srun = ["srun", "--open-mode=append", *_options({"cpus-per-task": cluster.cpus_per_task}), "--kill-on-bad-exit=1"]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in sbatch_options(cluster, jobs, sweep)),
        f"cd {shlex.quote(str(Path.cwd()))} || exit 1",
        *cluster.setup,
        f"export {SWEEP_VARIABLE}={shlex.quote(str(sweep))}",
        f"jobs={shlex.quote(str(jobs_file))}",
        'command=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$jobs") && [ -n "$command" ] || exit 1',
        'eval "set -- $command"',
        f'{shlex.join(srun)} "$@"',
    ]
    return "\n".join(lines) + "\n"


def sbatch_options(cluster: SlurmConfig, jobs: int, sweep: Path) -> list[str]:
    """Return the options of sbatch for an array of jobs; what is not set stays the cluster's default."""
    logs = str(sweep / "slurm").replace("%", "%%")
    options: dict[str, str | int | bool | None] = {
        "job-name": sweep.name,
        **cluster.model_dump(include=set(SAME_NAME)),
        "ntasks-per-node": cluster.tasks_per_node,
        "time": cluster.timeout_min,
        "array": f"0-{jobs - 1}%{cluster.array_parallelism}",
        "requeue": True,
        "open-mode": "append",
        "signal": f"USR1@{cluster.signal_delay_s}",
        "output": f"{logs}/%A_%a.log",
        "mem": None if cluster.mem_gb is None else f"{round(1024 * cluster.mem_gb)}M",
    }
    return _options(options | cluster.additional_parameters)


def _options(values: Mapping[str, str | int | bool | None]) -> list[str]:
    """Quote values as sbatch reads them, which understands less than bash."""
    options = []
    for key, value in values.items():
        name = key.replace("_", "-")
        text = str(value)
        if set(text) & set('"\\\n\r'):
            raise UserError(f"--{name}: a batch script takes no quotes, backslashes and line breaks, as in {text!r}")
        if set(text) & set(" \t#'"):
            text = f'"{text}"'
        if value is True:
            options.append(f"--{name}")
        elif value is not None and value is not False:
            options.append(f"--{name}={text}")
    return options


def check_slurm() -> None:
    """Refuse a machine without Slurm, and a controller that does not answer, by a ``UserError``."""
    missing = [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"+cluster=slurm: there is no {missing[0]} on this machine: call it on a login node of the cluster, "
            "or take +cluster=local"
        )
    answered_queue()


def answered_queue() -> dict[str, str]:
    """Return ``queued_jobs()``; a controller that does not answer is a ``UserError``: its queue is not an empty one."""
    queue = queued_jobs()
    if queue is None:
        raise UserError("Slurm's controller does not answer (squeue): try again later, or ask the administrators")
    return queue


def submit(cluster: SlurmConfig, commands: Sequence[Sequence[str]], sweep: Path) -> str:
    """Submit commands as an array, by a batch script in the sweep's folder (absolute); return the array's id."""
    lines = list(map(shlex.join, commands))
    for line in lines:
        if "\n" in line:
            raise UserError(f"an override holds a line break, which a list of jobs cannot: {line!r}")
    folder = sweep / "slurm"
    make_folder(folder)  # before any job begins: Slurm cannot make one for its logs
    number = 1 + len(list(folder.glob("*.sbatch")))  # queued jobs read the lists of earlier submissions
    script, jobs_file = folder / f"{number}.sbatch", folder / f"{number}.jobs"
    write_text(jobs_file, "\n".join([*lines, ""]))
    write_text(script, batch_script(cluster, len(lines), sweep, jobs_file))
    done = call_slurm("sbatch", "--parsable", str(script), timeout=None)  # else jobs that nobody knows of
    if done.returncode:
        script.unlink()
        jobs_file.unlink()
        reason = "; ".join(done.stderr.strip().splitlines()) or "no reason given"
        raise UserError(f"sbatch refuses the jobs, see the keys of cluster, and sinfo for what there is: {reason}")
    return done.stdout.strip().partition(";")[0]  # "<id>;<cluster>" where there are several


def queued_jobs() -> dict[str, str] | None:
    """Return the state of each of the user's jobs in the queue, by id; None where the controller does not answer.

    A job that Slurm holds since it could not start it has the state ``HELD``.
    """
    done = call_slurm("squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r")
    if done.returncode:
        return None
    rows = [line.strip().split("|", 2) for line in done.stdout.splitlines() if line.count("|") > 1]
    return {slurm_id: HELD if "requeued held" in reason else state for slurm_id, state, reason in rows}


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C until the block has ended, in the commands that it starts, too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
