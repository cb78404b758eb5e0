"""Batch scripts for Slurm, of the jobs that a command line of train.py asks for."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from common.cli import say
from common.config.cluster import SlurmConfig, check_cluster
from common.config.compose import check_config, check_override_order
from common.config.grid import grid
from common.config.overrides import key_of, quote_path
from common.errors import UserError
from common.files import write_text
from common.paths import ROOT
from common.runs import sweeps
from common.runs.sweeps import Sweep
from common.text import counted
from workflows.sweeps.slurm import Batch, batch_texts, in_batches
from workflows.sweeps.tuning.settings import check_space, take_search


def write_scripts(
    overrides: Sequence[str], multirun: bool, output: Path, python: str, written_by: Sequence[str], force: bool = False
) -> None:
    """Write a batch script, and a list with a job per line that the members of its array read; say how to submit it.

    Jobs that need different nodes or devices get a script each.

    ``overrides`` are those of train.py, with ``+cluster=slurm`` where they name no cluster, ``multirun`` says if ``-m``
    is typed beside them. ``python`` runs the jobs; ``written_by`` is the command line, for the script's head.

    Raises:
        UserError: A job would be refused, the cluster is not one of Slurm, or a file is there.
    """
    batches, sweep = expand_batches([quote_path(word) for word in overrides], multirun, python, written_by)
    folder = batches[0].sweep
    texts: dict[Path, str] = {}
    scripts = []
    for number, batch in enumerate(batches, 1):
        path = output.absolute()
        if len(batches) > 1:
            path = path.with_stem(f"{output.stem}-{number}")
        texts |= batch_texts(batch, path)
        scripts.append(path)
    existing = [path for path in texts if path.exists()]
    if existing and not force:
        raise UserError(f"{existing[0]} exists: choose another --output, or write over it with --force")
    for path, text in texts.items():
        write_text(path, text)
    (folder / "slurm").mkdir(parents=True, exist_ok=True)  # where Slurm's logs go: it makes no folders
    sweeps.write_sweep(folder, sweep)
    say(f"{counted(len(sweep.jobs), 'job')} written", *map(str, texts))
    say("submit", *(shlex.join(["sbatch", str(path)]) for path in scripts))
    say("status", shlex.join(["python", "scripts/sweep_status.py", str(folder)]))


def expand_batches(
    overrides: Sequence[str], multirun: bool, python: str, written_by: Sequence[str]
) -> tuple[list[Batch], Sweep]:
    """Return the jobs of a command line as batches of equal needs, and their sweep; see ``write_scripts``."""
    if not any(key_of(word) == "cluster" for word in overrides):
        overrides = ["+cluster=slurm", *overrides]
    needs: dict[tuple[str, ...], SlurmConfig] = {}  # of each command
    jobs = []
    with grid(overrides, multirun) as expanded:
        output_dir = Path(expanded.composed.output_dir).absolute()
        for job in expanded.jobs:
            # What says which jobs there are is left out: in a job, it would start them all again.
            words = tuple(word for word in job if key_of(word) != "sweep")
            composed = expanded.job_config(words)
            cluster = check_cluster(composed.cluster)
            if not isinstance(cluster, SlurmConfig):
                raise UserError(f"+cluster={cluster.name} is no Slurm: leave it out, or say +cluster=slurm")
            check_override_order(words)
            script = "train.py"
            if "search" in composed:
                check_space(*take_search(composed))
                script = "scripts/tune.py"
            else:
                check_config(composed)
            command = (python, str(ROOT / script), *words)
            if command not in needs:
                needs[command] = cluster
                jobs.append(sweeps.job_of(words))
    name = sweeps.sweep_name(overrides)
    folder = sweeps.sweep_folder(output_dir, name, jobs)
    commands = list(needs)
    batches = []
    for cluster, places in in_batches(list(needs.values())):
        own = tuple(commands[place] for place in places)
        batches.append(Batch(cluster, own, Path.cwd(), folder, tuple(written_by)))
    return batches, Sweep(name, tuple(jobs), "slurm", tuple(written_by), str(output_dir))
