"""How does a sweep stand? A table of its jobs: waiting, running, finished, failed, lost; live where asked."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

if TYPE_CHECKING:
    from workflows.sweeps.selection import Chosen
    from workflows.sweeps.status import JobStatus

Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SWEEP | RUN...]",
        help="A sweep's folder or name, or run folders and patterns of them.",
        show_default="the newest sweep",
    ),
]
OutputDir = Annotated[Path, typer.Option(help="Where train.py writes; its sweeps are looked through for a name.")]
Watch = Annotated[float | None, typer.Option(min=0.2, metavar="SECONDS", help="Show it anew so often, until all ends.")]
Failed = Annotated[bool, typer.Option("--failed", help="Only what failed or was lost, with the whole error.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table with all its columns to this file.")]
Silence = Annotated[
    float, typer.Option("--lost-after", min=1, help="Seconds without a sign of life after which a job is lost.")
]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def sweep_status(
    places: Places = None,
    output_dir: OutputDir = Path("outputs"),
    watch: Watch = None,
    failed: Failed = False,
    csv: Csv = None,
    lost_after: Silence = 300.0,
) -> None:
    """Show how the jobs of a sweep stand, from their files alone.

    A job that runs says its stage and epoch, its best validation so far, and the time that it may still take: an upper
    bound, since early stopping may end it sooner. One that is finished says its test metric with its interval. One that
    failed says the last line of its error; --failed says all of it. A job is [bold]lost[/bold] that should run but
    whose process is gone, or has given no sign of life for a while.

    The exit code is 1 where a job failed or was lost.

    [bold]python scripts/sweep_status.py --watch 5[/bold]

    [bold]python scripts/sweep_status.py cnmc_grid --failed[/bold]

    [bold]python scripts/sweep_status.py 'outputs/resnet50_cut_block5/*/seed=*'[/bold]
    """
    # Imported here so that --help costs nothing.
    from common.cli import console, say
    from common.files import write_csv
    from workflows.sweeps.selection import choose
    from workflows.sweeps.status import BAD
    from workflows.sweeps.status_table import frame, report

    chosen = choose(places or [], output_dir)
    if watch:
        standings = _watched(chosen, watch, lost_after)
    else:
        standings = chosen.standings(lost_after)
    if failed or not watch:
        console.print(report(chosen.name, standings, console.width, bad=failed))
    if csv:
        write_csv(csv, frame(standings), "%.6g")
        say(f"written to {csv}")
    if any(one.state in BAD for one in standings):
        raise SystemExit(1)


def _watched(chosen: "Chosen", every: float, silence: float) -> "list[JobStatus]":
    """Show the table anew every so many seconds until all is over; Ctrl-C ends the looking, not the jobs."""
    import time

    from rich.live import Live

    from common.cli import console
    from workflows.sweeps.status import is_over
    from workflows.sweeps.status_table import report

    standings = chosen.standings(silence)

    def drawn(everything: bool = False) -> object:
        if everything:
            rows = None
        else:
            rows = max(5, console.height - 7)
        return report(chosen.name, standings, console.width, rows)

    with Live(drawn(), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while not is_over(standings):
                time.sleep(every)
                standings = chosen.standings(silence)
                live.update(drawn(), refresh=True)
        except KeyboardInterrupt:  # the usual end of watching: the table stays as it is now
            standings = chosen.standings(silence)
        live.update(drawn(), refresh=True)
    return standings


if __name__ == "__main__":
    app()
