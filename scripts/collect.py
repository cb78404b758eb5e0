"""Runs, or a sweep, into one table: means over folds and seeds with intervals, and what they cost."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors
from common.paths import ROOT
from scripts.sweep_status import OutputDir, Places

if TYPE_CHECKING:
    import pandas as pd

    from workflows.sweeps.selection import Chosen

RESULTS = ROOT / "results"
Csv = Annotated[
    Path | None,
    typer.Option(help="Write the table to this file.", show_default="results/<sweep>.csv; of runs: only shown"),
]
Each = Annotated[bool, typer.Option("--runs", help="A row per run, each as it judged itself.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often an interval should hold the truth.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def collect(
    places: Places = None,
    output_dir: OutputDir = Path("outputs"),
    csv: Csv = None,
    each: Each = False,
    confidence: Confidence = 0.95,
) -> None:
    """Collect runs: a row per experiment and protocol, whatever differs but fold and seed.

    A value is the mean over all runs of a row. Its interval is [bold]over subjects[/bold] (images where none is known):
    what other people would change, all runs that tested a subject moved together. Where there are several seeds,
    another one (..._with_seeds) is [bold]over subjects and seeds[/bold]: what other random numbers would change, too.
    Over [bold]folds[/bold] the standard deviation is told: they share what they train with, so no interval is honest.

    Jobs that failed or are missing are counted, never left out in silence; hours and memory that were not measured are
    empty. Hours of GPUs are wall time times devices, those of CPUs processor time. A GPU that several jobs share
    (cluster.pack) counts whole for each of them.

    [bold]python scripts/collect.py cnmc_grid[/bold]

    [bold]python scripts/collect.py outputs/resnet50_cut_block5 outputs/vgg16_features --csv both.csv[/bold]

    [bold]python scripts/collect.py cnmc_grid --runs --csv every_run.csv[/bold]
    """
    # Imported here so that --help costs nothing.
    import pandas as pd

    from common.cli import console, say
    from common.files import write_csv
    from workflows.sweeps.collect_table import table
    from workflows.sweeps.selection import choose

    chosen = choose(places or [], output_dir)
    path = csv or (RESULTS / f"{_name(chosen, each)}.csv" if chosen.folder else None)
    with console.status("judging the runs"):
        if each:
            rows = _each(chosen)
        else:
            rows = _rows(chosen, confidence)
    frame = pd.DataFrame(rows).convert_dtypes()
    if path:
        _refuse_another(path, frame, said=csv is not None)
    console.print(table(rows, console.width, confidence, each))
    if path:
        write_csv(path, frame, "%.6f")
        say(f"written to {path}")


def _rows(chosen: "Chosen", confidence: float) -> list[dict[str, Any]]:
    """A row per experiment and protocol.

    Raises:
        UserError: See ``collecting.rows_of``.
    """
    from common.config.schema import EvaluationConfig
    from workflows.sweeps.collect import read_runs, rows_of, summarised

    # The intervals are of logit_t, which resamples nothing: see evaluation.intervals.methods.
    settings = EvaluationConfig(confidence=confidence, resamples=10)
    runs, unfinished = read_runs(chosen.standings())
    return [summarised(row, settings) for row in rows_of(runs, unfinished)]


def _each(chosen: "Chosen") -> list[dict[str, Any]]:
    from workflows.sweeps.collect import SEED_AND_FOLD, row_of_run
    from workflows.sweeps.status_table import name_of, told_apart

    standings = chosen.standings()
    keys = [key for key in told_apart(standings) if key not in SEED_AND_FOLD]
    named = keys or [key for key in ("experiment", "name") if any(key in one.words for one in standings)][:1]
    labels = [name_of(one, named) or one.key for one in standings]
    return [row_of_run(one, label) for one, label in zip(standings, labels, strict=True)]


def _name(chosen: "Chosen", each: bool) -> str:
    return chosen.name.rpartition("-")[0] + ("_runs" if each else "")


def _refuse_another(path: Path, frame: "pd.DataFrame", said: bool) -> None:
    """Raise where the file is not a table like this one, such as one that evaluate.py has written.

    Raises:
        UserError: Naming the file and the way out.
    """
    import pandas as pd

    from common.errors import UserError

    if not path.exists():
        return
    try:
        columns = list(pd.read_csv(path, nrows=0).columns)
    except (OSError, ValueError):
        columns = []
    if columns[:6] != list(frame.columns)[:6]:
        if said:
            what = "another file"
        else:
            what = "a file"
        raise UserError(f"{path} is there already and no table of collected runs: name {what} with --csv")


if __name__ == "__main__":
    app()
