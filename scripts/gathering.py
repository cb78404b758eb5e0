"""From a command line to batches: its jobs, checked and told apart by what they ask of the cluster."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from common import sweeps
from common.cluster_schema import SlurmConfig, check_cluster
from common.errors import UserError
from common.runs import ROOT
from common.sweeps import Sweep
from scripts.batching import Batch
from scripts.grids import Grid, check_job, grid


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
    typed = typed if "cluster" in map(_key, typed) else ["+cluster=slurm", *typed]
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
