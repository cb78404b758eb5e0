"""The status of a sweep: a table of its jobs, waiting, running, finished, failed or lost; live with --watch."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program

Sweep = Annotated[
    str | None, Argument(metavar="[SWEEP]", help="A sweep's folder or name.", show_default="the newest sweep")
]
OutputDir = Annotated[Path, Option(help="Where train.py writes; its sweeps are looked through for a name.")]
Watch = Annotated[
    float | None, Option(min=0.2, metavar="SECONDS", help="Show it again in this interval, until all ends.")
]
Failed = Annotated[bool, Option("--failed", help="Only what failed or was lost, with the whole error.")]


def sweep_status(
    sweep: Sweep = None, output_dir: OutputDir = Path("outputs"), watch: Watch = None, failed: Failed = False
) -> None:
    """Show the status of the jobs of a sweep, from their files alone.

    Of a running job: stage and epoch, the best validation result so far, and the time that it may still take at most.
    Of a finished one: its test metric with its interval. Of a failed one: the last line of its error. A job is
    [bold]lost[/bold] whose process is gone, or silent for five minutes. The exit code is 1 where a job failed or was
    lost.
    """
    # Imported here so that --help costs nothing, and a name that is wrong little.
    from karyocyte.common.cli import console
    from karyocyte.workflows.sweeps.selection import find_sweep

    folder = find_sweep(sweep, output_dir)
    from karyocyte.workflows.sweeps.status import status_report, sweep_statuses, watch_status

    if watch:
        watch_status(folder, watch)
    statuses = sweep_statuses(folder)
    console.print(status_report(folder.name, statuses, failed))
    if any(status.is_bad for status in statuses):
        raise SystemExit(1)


app = program(
    sweep_status,
    "python scripts/sweep_status.py --watch 5",
    "python scripts/sweep_status.py cnmc_grid --failed",
)
