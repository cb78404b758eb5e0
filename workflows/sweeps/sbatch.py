"""Batch scripts for Slurm from a command line of train.py: what the launcher would submit, as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.config.cluster import SlurmConfig, check_cluster
from common.config.overrides import quote_path
from common.errors import UserError
from common.files import write_text
from common.paths import ROOT
from common.sweeps import records as sweeps
from common.sweeps.records import Sweep
from common.sweeps.slurm import Batch, in_batches, jobs_text, script_text
from workflows.sweeps.grid import check_job, grid


@dataclass(frozen=True)
class BatchScripts:
    """What was written.

    Attributes:
        jobs: The number of jobs.
        files: All files.
        scripts: Those that are submitted.
        sweep: The sweep's folder.
    """

    jobs: int
    files: tuple[Path, ...]
    scripts: tuple[Path, ...]
    sweep: Path


def write_scripts(
    overrides: Sequence[str], multirun: bool, output: Path, python: str, written_by: Sequence[str], force: bool = False
) -> BatchScripts:
    """Write a batch script, and a list with a job per line that the members of its array read.

    Jobs that need different nodes or devices get a script each.

    Args:
        overrides: As train.py takes them; without a cluster, ``+cluster=slurm`` is added.
        multirun: Whether ``-m`` is typed beside them.
        output: The script.
        python: The Python that runs the jobs.
        written_by: The command line, for the script's head.
        force: Write over files that are there.

    Raises:
        UserError: A job would be refused, the cluster is not one of Slurm, or a file is there.
    """
    batches, sweep = expand_batches([quote_path(word) for word in overrides], multirun, python, written_by)
    texts: dict[Path, str] = {}
    scripts = []
    for number, batch in enumerate(batches, 1):
        path = output.absolute()
        if len(batches) > 1:
            path = path.with_stem(f"{output.stem}-{number}")
        jobs_file = path.with_suffix(".jobs")
        texts |= {jobs_file: jobs_text(batch), path: script_text(batch, jobs_file)}
        scripts.append(path)
    existing = [path for path in texts if path.exists()]
    if existing and not force:
        raise UserError(f"{existing[0]} exists: choose another --output, or write over it with --force")
    for path, text in texts.items():
        write_text(path, text)
    folder = batches[0].sweep
    (folder / "slurm").mkdir(parents=True, exist_ok=True)  # where Slurm's logs go: it makes no folders
    sweeps.write_sweep(folder, sweep)
    return BatchScripts(len(sweep.jobs), tuple(texts), tuple(scripts), folder)


def expand_batches(
    overrides: Sequence[str], multirun: bool, python: str, written_by: Sequence[str]
) -> tuple[list[Batch], Sweep]:
    """Return the jobs of a command line as batches of equal needs, and their sweep; see :func:`write_scripts`."""
    if not any(sweeps.key_of(word) == "cluster" for word in overrides):
        overrides = ["+cluster=slurm", *overrides]
    needs: list[SlurmConfig] = []
    commands: list[tuple[str, ...]] = []
    jobs = []
    with grid(overrides, multirun) as expanded:
        output_dir = Path(expanded.composed.output_dir).absolute()
        for job in expanded.jobs:
            # What says which jobs there are is left out: in a job, it would start them all again.
            words = tuple(word for word in job if sweeps.key_of(word) != "sweep")
            composed = expanded.job_config(words)
            cluster = check_cluster(composed.cluster)
            if not isinstance(cluster, SlurmConfig):
                raise UserError(f"+cluster={cluster.name} is no Slurm: leave it out, or say +cluster=slurm")
            command = (python, str(ROOT / check_job(words, composed)), *words)
            if command not in commands:
                commands.append(command)
                needs.append(cluster)
                jobs.append(sweeps.job_of(words))
    name = sweeps.sweep_name(overrides)
    folder = sweeps.sweep_folder(output_dir, name, jobs)
    batches = []
    for cluster, places in in_batches(needs):
        own = tuple(commands[place] for place in places)
        batches.append(Batch(cluster, own, Path.cwd(), folder, tuple(written_by)))
    return batches, Sweep(name, tuple(jobs), "slurm", tuple(written_by), str(output_dir))
