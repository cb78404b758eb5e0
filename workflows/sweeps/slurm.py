"""Slurm: batch scripts, their submission, and the queue. Accounting is not used: many clusters have none."""

import shlex
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.config.cluster import SWEEP_VARIABLE, SlurmConfig
from common.errors import UserError
from common.files import write_text
from common.preemption import call_slurm

HELD = "HELD"
# Keys that are options of sbatch by the same name.
SAME_NAME = ("partition", "account", "qos", "constraint", "exclude", "nodes", "gpus_per_node", "cpus_per_task")
# The key that a message of sbatch is about; the first that matches counts ("account or account/partition").
KEYS_BY_MESSAGE = {
    "account": "account",
    "qos": "qos",
    "partition": "partition",
    "feature": "constraint",
    "node name": "exclude",
    "time limit": "timeout_min",
    "option": "additional_parameters",
}
NODE_MESSAGES = ("node", "gres", "memory", "cpu", "processors")


@dataclass(frozen=True)
class Batch:
    """Jobs with the same resources, for one batch script: a command line each.

    They start in ``work_dir``; Slurm's logs go into ``slurm`` of the sweep's folder, which is absolute.
    """

    cluster: SlurmConfig
    commands: tuple[tuple[str, ...], ...]
    work_dir: Path
    sweep: Path
    written_by: tuple[str, ...]


def batch_texts(batch: Batch, script: Path) -> dict[Path, str]:
    """Return the texts of a batch script, absolute, and of the list beside it: a command per line, quoted for bash."""
    jobs_file = script.with_suffix(".jobs")
    jobs = [shlex.join(command) for command in batch.commands]
    for line in jobs:
        if "\n" in line:
            raise UserError(f"an override holds a line break, which a list of jobs cannot: {line!r}")
    return {jobs_file: "".join(f"{line}\n" for line in jobs), script: script_text(batch, jobs_file)}


def script_text(batch: Batch, jobs_file: Path) -> str:
    """Return a batch script that runs the lines of ``jobs_file`` (absolute), a member of an array each.

    A job that is preempted, or whose time is over, is queued again by its own process or by Slurm, and goes on from its
    checkpoint; a finished one ends at once. So the script may be submitted again and again.
    """
    written_by = f"Written by: {shlex.join(batch.written_by)}".splitlines()
    lines = [
        "#!/bin/bash",
        *(f"# {line}" for line in written_by),
        *(f"#SBATCH {option}" for option in sbatch_options(batch)),
        "",
        f"cd {shlex.quote(str(batch.work_dir))} || exit 1",
        *batch.cluster.setup,
        f"export {SWEEP_VARIABLE}={shlex.quote(str(batch.sweep))}",
        f"jobs={shlex.quote(str(jobs_file))}",
        *_run_lines(batch.cluster),
    ]
    return "\n".join(lines) + "\n"


def sbatch_options(batch: Batch) -> list[str]:
    """Return the options of sbatch; what is not set stays the cluster's default."""
    cluster = batch.cluster
    logs = str(batch.sweep / "slurm").replace("%", "%%")
    size = -(-len(batch.commands) // cluster.pack)  # several packed jobs share a member of the array
    options = {
        "job-name": batch.sweep.name,
        **{name: getattr(cluster, name) for name in SAME_NAME},
        "ntasks-per-node": cluster.pack * cluster.tasks_per_node,  # one of the two is 1
        "mem": None if cluster.mem_gb is None else f"{round(1024 * cluster.mem_gb)}M",
        "time": cluster.timeout_min,
        "array": f"0-{size - 1}%{cluster.array_parallelism}",
        "requeue": True,
        "open-mode": "append",
        "signal": f"USR1@{cluster.signal_delay_s}",
        "output": f"{logs}/%A_%a.log",
    }
    return _options(options | cluster.additional_parameters)


def _run_lines(cluster: SlurmConfig) -> list[str]:
    """The last lines of a script: srun, with the member's own line of the list or, packed, a line for each task."""
    # Since Slurm 22.05 srun does not take the cores over from sbatch.
    srun = ["srun", "--open-mode=append", *_options({"cpus-per-task": cluster.cpus_per_task})]
    if cluster.pack == 1:
        return [
            'command=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$jobs") && [ -n "$command" ] || exit 1',
            'eval "set -- $command"',
            f'{shlex.join([*srun, "--kill-on-bad-exit=1"])} "$@"',  # the processes of one run end together
        ]
    task = (
        f'command=$(sed -n "$((SLURM_ARRAY_TASK_ID * {cluster.pack} + SLURM_PROCID + 1))p" "$1"); '
        '[ -n "$command" ] || exit 0; '  # the last pack need not be full
        'eval "set -- $command"; exec "$@"'
    )
    return [f'{shlex.join([*srun, "--kill-on-bad-exit=0", "bash", "-c", task, "task"])} "$jobs"']


def _options(values: dict[str, str | int | bool | None]) -> list[str]:
    """Quote values as sbatch reads them, which understands less than bash."""
    options = []
    for key, value in values.items():
        name = key.replace("_", "-")
        text = str(value)
        if any(character in text for character in '"\\\n\r'):
            raise UserError(f"--{name}: a batch script takes no quotes, backslashes and line breaks, as in {text!r}")
        if any(character in text for character in " \t#'"):
            text = f'"{text}"'
        if value is True:
            options.append(f"--{name}")
        elif value is not None and value is not False:
            options.append(f"--{name}={text}")
    return options


def check_slurm() -> None:
    """Refuse a machine without Slurm by a ``UserError``."""
    missing = [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"+cluster=slurm: there is no {missing[0]} on this machine: call it on a login node of the cluster, "
            "or take +cluster=local"
        )


def submit(batch: Batch) -> list[str]:
    """Write a batch script into the sweep's folder, submit it and return the Slurm id of each command."""
    folder = batch.sweep / "slurm"
    folder.mkdir(parents=True, exist_ok=True)  # before any job begins: Slurm cannot make one for its logs
    number = 1 + len(list(folder.glob("*.sbatch")))  # queued jobs read the lists of earlier submissions
    script = folder / f"{number}.sbatch"
    texts = batch_texts(batch, script)
    for path, text in texts.items():
        write_text(path, text)
    done = call_slurm("sbatch", "--parsable", str(script), timeout=None)  # else jobs that nobody knows of
    if done.returncode:
        for path in texts:
            path.unlink()
        raise explain_refusal(done.stderr, batch.cluster)
    array = done.stdout.strip().partition(";")[0]  # "<id>;<cluster>" where there are several
    return [f"{array}_{place // batch.cluster.pack}" for place in range(len(batch.commands))]


def queued_jobs() -> dict[str, str] | None:
    """Return the state of each of the user's jobs in the queue, by id; None where the controller does not answer.

    A job that Slurm holds since it could not start it has the state ``HELD``.
    """
    done = call_slurm("squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r")
    if done.returncode:
        return None
    states = {}
    for line in done.stdout.splitlines():
        slurm_id, _, rest = line.strip().partition("|")
        state, separator, reason = rest.partition("|")
        if separator:
            states[slurm_id] = HELD if "requeued held" in reason else state
    return states


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer Ctrl-C until the block has ended, for this process and for the commands that it starts."""
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, frame: interrupts.append(signum))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by commands, as a handler is not
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt


def explain_refusal(message: str, cluster: SlurmConfig) -> UserError:
    """Return an error of one line for what sbatch has printed, with the key that it is about."""
    lines = message.strip().splitlines() or ["no reason given"]
    errors = [line.rpartition("error: ")[2] for line in lines if "error:" in line]
    errors = [line.removeprefix("Batch job submission failed: ").strip() for line in errors]
    text = "; ".join(dict.fromkeys(errors)) or lines[0]
    for part, key in KEYS_BY_MESSAGE.items():
        if part in text.lower():
            choices = f"; there are {_sinfo('%R')}" if key == "partition" else ""
            return UserError(f"cluster.{key}={getattr(cluster, key)}: {text}{choices}")
    if any(part in text.lower() for part in NODE_MESSAGES):
        nodes = _sinfo("%N: %c cores, %m MB, %G")
        return UserError(
            f"no node fits ({text}): see cluster.gpus_per_node, cpus_per_task, mem_gb, trainer.num_nodes "
            f"and trainer.devices; there are {nodes}"
        )
    return UserError(f"sbatch refuses the job: {text}")


def _sinfo(line_format: str) -> str:
    """The lines that sinfo prints, each once."""
    done = call_slurm("sinfo", "--noheader", f"--format={line_format}")
    return ", ".join(dict.fromkeys(line.strip() for line in done.stdout.splitlines())) or "none (sinfo is silent)"


def in_batches(needs: Sequence[SlurmConfig]) -> list[tuple[SlurmConfig, list[int]]]:
    """Return jobs with the same resources together: the resources, and the places of the jobs in ``needs``."""
    groups: dict[str, list[int]] = {}
    for place, need in enumerate(needs):
        groups.setdefault(need.model_dump_json(), []).append(place)
    return [(needs[places[0]], places) for places in groups.values()]
