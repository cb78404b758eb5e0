"""The text of batch scripts for Slurm; nothing is written or submitted here."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from common.config.cluster import SlurmConfig, check_cluster
from common.errors import UserError
from common.paths import ROOT
from common.sweeps import records as sweeps
from common.sweeps.records import Sweep
from workflows.sweeps.grid import Grid, check_job, grid


@dataclass(frozen=True)
class Batch:
    """Jobs of the same needs, for one batch script.

    Attributes:
        cluster: What a job asks of the cluster.
        program: The words that come before a job's overrides: the Python and the program.
        jobs: The overrides of each job.
        place: The folder that the jobs start in: relative paths are below it.
        sweep: The sweep's folder, absolute; Slurm's logs go into its ``slurm``.
        command: The words of the command line that asked for the script.
    """

    cluster: SlurmConfig
    program: tuple[str, ...]
    jobs: tuple[tuple[str, ...], ...]
    place: Path
    sweep: Path
    command: tuple[str, ...]

    @property
    def members(self) -> int:
        """How many Slurm jobs there are; of packed jobs, several share one."""
        return -(-len(self.jobs) // self.cluster.pack)


def jobs_text(batch: Batch) -> str:
    """Return the jobs, a command per line, quoted for bash.

    Raises:
        UserError: A line would break.
    """
    lines = [shlex.join([*batch.program, *job]) for job in batch.jobs]
    for line in lines:
        if "\n" in line:
            raise UserError(f"an override holds a line break, which a list of jobs cannot: {line!r}")
    return "".join(f"{line}\n" for line in lines)


def script_text(batch: Batch, jobs_file: Path) -> str:
    """Return a batch script that runs the lines of ``jobs_file`` (absolute), a member of an array each.

    A job that is preempted, or whose time is over, is queued again by its own process or by Slurm, and goes on from its
    checkpoint; a finished one ends at once. So the script may be submitted as often as one likes.
    """
    cluster = batch.cluster
    # Since Slurm 22.05 srun does not take the cores over from sbatch.
    srun = ["srun", "--open-mode=append", *_options({"cpus-per-task": cluster.cpus_per_task})]
    lines = [
        "#!/bin/bash",
        *(f"# {line}" for line in f"Written by: {shlex.join(batch.command)}".splitlines()),
        *(f"#SBATCH {option}" for option in sbatch_options(batch)),
        "",
        f"cd {shlex.quote(str(batch.place))} || exit 1",
        *cluster.setup,
        f"export {sweeps.VARIABLE}={shlex.quote(str(batch.sweep))}",
        f"jobs={shlex.quote(str(jobs_file))}",
        *(_packed(srun, cluster.pack) if cluster.pack > 1 else _alone(srun)),
    ]
    return "\n".join(lines) + "\n"


def sbatch_options(batch: Batch) -> Iterator[str]:
    """Yield the options of sbatch; what is not said stays the cluster's default.

    Raises:
        UserError: A value cannot stand in a batch script.
    """
    cluster = batch.cluster
    log = str(batch.sweep / "slurm").replace("%", "%%")
    yield from _options(
        {
            "job-name": batch.sweep.name,
            "partition": cluster.partition,
            "account": cluster.account,
            "qos": cluster.qos,
            "constraint": cluster.constraint,
            "exclude": cluster.exclude,
            "nodes": cluster.nodes,
            "ntasks-per-node": cluster.pack if cluster.pack > 1 else cluster.tasks_per_node,
            "gpus-per-node": cluster.gpus_per_node,
            "cpus-per-task": cluster.cpus_per_task,
            "mem": None if cluster.mem_gb is None else f"{round(1024 * cluster.mem_gb)}M",
            "time": cluster.timeout_min,
            "array": f"0-{batch.members - 1}%{cluster.array_parallelism}",
            "requeue": True,
            "open-mode": "append",
            "signal": f"USR1@{cluster.signal_delay_s}",
            "output": f"{log}/%A_%a.log",
            **{key.replace("_", "-"): value for key, value in cluster.additional_parameters.items()},
        }
    )


def _alone(srun: Sequence[str]) -> list[str]:
    """A job of its own for each line: all its tasks run the same command."""
    return [
        'command=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$jobs") && [ -n "$command" ] || exit 1',
        'eval "set -- $command"',
        f'{shlex.join([*srun, "--kill-on-bad-exit=1"])} "$@"',
    ]


def _packed(srun: Sequence[str], pack: int) -> list[str]:
    """So many lines share a job: each of its tasks runs another, and none ends the others."""
    task = (
        f'command=$(sed -n "$((SLURM_ARRAY_TASK_ID * {pack} + SLURM_PROCID + 1))p" "$1"); '
        '[ -n "$command" ] || exit 0; '  # the last pack need not be full
        'eval "set -- $command"; exec "$@"'
    )
    return [f'{shlex.join([*srun, "--kill-on-bad-exit=0", "bash", "-c", task, "task"])} "$jobs"']


def _options(values: dict[str, str | int | bool | None]) -> Iterator[str]:
    for name, value in values.items():
        if value is True:
            yield f"--{name}"
        elif value is not None and value is not False:
            yield f"--{name}={_option_value(name, str(value))}"


def _option_value(name: str, value: str) -> str:
    """Quote a value as sbatch reads it, which is less than bash does."""
    if any(sign in value for sign in '"\\\n\r'):
        raise UserError(f"--{name}: a batch script takes no quotes, backslashes and line breaks, as in {value!r}")
    if any(sign in value for sign in " \t#'"):
        return f'"{value}"'
    return value


def gathered(typed: Sequence[str], multirun: bool, python: str, command: Sequence[str]) -> tuple[list[Batch], Sweep]:
    """Return a batch for each kind of job, which differ in the nodes and devices that they ask for, and their sweep.

    Args:
        typed: The overrides; without a cluster, ``+cluster=slurm`` is added.
        multirun: Whether ``-m`` is typed beside them.
        python: The Python that runs the jobs.
        command: The command line that asks for the batches.

    Raises:
        UserError: A job would be refused, or the cluster is not one of Slurm.
    """
    if "cluster" in map(_key, typed):
        typed = typed
    else:
        typed = ["+cluster=slurm", *typed]
    with grid(typed, multirun) as expanded:
        # What says which jobs there are is left out: in a job, it would start them all again.
        jobs = list(dict.fromkeys(tuple(word for word in job if _key(word) != "sweep") for job in expanded.jobs))
        needs = [_checked(job, expanded) for job in jobs]
        output_dir = Path(expanded.composed.output_dir).absolute()
    known = tuple(sweeps.job_of(job) for job in jobs)
    name = sweeps.sweep_name(typed)
    folder = sweeps.sweep_folder(output_dir, name, known)
    kinds: dict[str, list[int]] = {}
    for number, need in enumerate(needs):
        kinds.setdefault(repr(need), []).append(number)
    batches = []
    for first, *others in kinds.values():
        cluster, program = needs[first]
        words = tuple(jobs[number] for number in (first, *others))
        batches.append(Batch(cluster, (python, str(ROOT / program)), words, Path.cwd(), folder, tuple(command)))
    return batches, Sweep(name, known, "slurm", tuple(command), str(output_dir))


def _checked(job: Sequence[str], expanded: Grid) -> tuple[SlurmConfig, str]:
    """What a job asks of the cluster, and the program that runs it."""
    composed = expanded.job_config(job)
    cluster = check_cluster(OmegaConf.to_container(composed.cluster, resolve=True))
    if not isinstance(cluster, SlurmConfig):
        raise UserError(f"+cluster={cluster.name} is no Slurm: leave it out, or say +cluster=slurm")
    return cluster, check_job(job, composed)


def _key(word: str) -> str:
    return word.lstrip("+~").split("=")[0]
