"""The status of a sweep: a table of its jobs, waiting, running, finished, failed or lost; live with --watch."""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors

Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SWEEP | RUN...]",
        help="A sweep's folder or name, or run folders and patterns of them.",
        show_default="the newest sweep",
    ),
]
OutputDir = Annotated[Path, typer.Option(help="Where train.py writes; its sweeps are looked through for a name.")]
Watch = Annotated[
    float | None, typer.Option(min=0.2, metavar="SECONDS", help="Show it again in this interval, until all ends.")
]
Failed = Annotated[bool, typer.Option("--failed", help="Only what failed or was lost, with the whole error.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table with all its columns to this file.")]
Silence = Annotated[
    float, typer.Option("--lost-after", min=1, help="Seconds without a file written after which a job is lost.")
]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/sweep_status.py --watch 5",
        "python scripts/sweep_status.py cnmc_grid --failed",
        "python scripts/sweep_status.py 'outputs/resnet50_cut_block5/*/seed=*'",
    )
)
@report_user_errors()
def sweep_status(
    places: Places = None,
    output_dir: OutputDir = Path("outputs"),
    watch: Watch = None,
    failed: Failed = False,
    csv: Csv = None,
    lost_after: Silence = 300.0,
) -> None:
    """Show the status of the jobs of a sweep, from their files alone.

    Of a running job: stage and epoch, the best validation result so far, and the time that it may still take, an upper
    bound, since early stopping may end it sooner. Of a finished one: its test metric with its interval. Of a failed
    one: the last line of its error; --failed shows all of it. A job is [bold]lost[/bold] that should run but whose
    process is gone, or has written nothing for a while.

    The exit code is 1 where a job failed or was lost.
    """
    # Imported here so that --help costs nothing.
    from common.cli import console, say
    from workflows.sweeps.selection import select
    from workflows.sweeps.status_table import status_frame, status_report, watch_status

    selection = select(places or [], output_dir)
    statuses = watch_status(selection, watch, lost_after) if watch else selection.statuses(lost_after)
    if failed or not watch:
        console.print(status_report(selection.name, statuses, console.width, bad=failed))
    if csv:
        from common.files import write_csv

        write_csv(csv, status_frame(statuses), "%.6g")
        say(f"written to {csv}")
    if any(status.is_bad for status in statuses):
        raise SystemExit(1)


if __name__ == "__main__":
    app()
