"""Write a batch script for Slurm, for clusters where Hydra's launcher cannot submit jobs."""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors

Overrides = Annotated[
    list[str], typer.Argument(metavar="OVERRIDE...", help="As train.py takes them; cluster.<key>=... for Slurm's part.")
]
Multirun = Annotated[bool, typer.Option("-m", "--multirun", help="Many jobs, as train.py -m would run.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="The script; the list of jobs is written beside it.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
Python = Annotated[
    str, typer.Option(help="The Python that runs the jobs, on the cluster's nodes.", show_default="this one")
]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/sbatch.py +experiment=resnet50_cut_block5 cluster.partition=gpu",
        "python scripts/sbatch.py -m +sweep=cnmc_grid cluster.partition=gpu -o a.sbatch",
    )
)
@report_user_errors()
def sbatch(
    overrides: Overrides,
    multirun: Multirun = False,
    output: Output = Path("job.sbatch"),
    force: Force = False,
    python: Python = sys.executable,
) -> None:
    """Write a batch script, and a list with a job per line that the members of its array read.

    The keys of [bold]conf/cluster/slurm.yaml[/bold] become options of sbatch. A job that is preempted, or out of time,
    goes on from its checkpoint; one that is finished ends at once: submit the script again for what is missing. With
    [bold]+search=...[/bold] the jobs are workers of one search (see scripts/tune.py). The keys retries and poll_seconds
    have no meaning here: nothing waits for the jobs.
    """
    from workflows.sweeps.sbatch import write_scripts  # here so that --help costs nothing

    write_scripts(overrides, multirun, output, python, ["python", *sys.argv], force)


if __name__ == "__main__":
    app()
