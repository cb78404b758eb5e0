"""The status of a sweep: a table of its jobs; and the results of runs as a table (--csv)."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.common.errors import UserError

Places = Annotated[
    list[str] | None,
    Argument(
        metavar="[SWEEP | RUN...]",
        help="A sweep's folder or name; with --csv several, and folders that hold runs.",
        show_default="the newest sweep",
    ),
]
OutputDir = Annotated[Path, Option(help="Where train.py writes; its sweeps are looked through for a name.")]
Csv = Annotated[Path | None, Option(help="Collect the results of finished runs in this table instead.")]


def sweep_status(places: Places = None, output_dir: OutputDir = Path("outputs"), csv: Csv = None) -> None:
    """Show the status of the jobs of a sweep, from their files alone, or collect results.

    Of a running job: stage and epoch, and the best validation result so far. Of a finished one: its test metric with
    its interval. Of a failed one: the last line of its error. The time is that since its start. A job is
    [bold]lost[/bold] whose process is gone, or silent for five minutes, and [bold]not submitted[/bold] where Slurm does
    not have it: the sweep's command submits it. The exit code is 1 where a job failed or was lost.

    With --csv, a row per experiment and protocol, whatever differs but fold and seed. A value is the mean over all
    runs of a row. Its interval is [bold]over subjects[/bold] (images where none is known): the variation with other
    people; all runs that tested a subject move together. Where there are several seeds, it is
    [bold]over subjects and seeds[/bold]: with other random numbers, too. Over [bold]folds[/bold] there is a standard
    deviation only: they share training images, so no interval is unbiased. Hours of GPUs are wall time times devices,
    those of CPUs processor time.
    """
    named = places or []
    # Imported here so that --help costs nothing, and a name that is wrong little.
    from karyocyte.workflows.sweeps.selection import find_runs, find_sweep

    if csv:
        runs = find_runs(named, output_dir)
        from karyocyte.workflows.sweeps.collect import write_collected

        write_collected(csv, runs)
    elif len(named) > 1:
        raise UserError("several sweeps or runs are for a table of results: add --csv collected.csv")
    else:
        folder = find_sweep(next(iter(named), None), output_dir)
        from karyocyte.workflows.sweeps.status import show_status

        show_status(folder)


app = program(
    sweep_status,
    "python scripts/sweep_status.py cnmc_grid",
    "python scripts/sweep_status.py outputs/resnet50_cut_block5 outputs/vgg16_features --csv table.csv",
)
