"""The measurement behind ``benchmark.py coverage``: how often intervals cover the truth, by metric and method."""

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from common.schema import EvaluationConfig
from evaluation.coverage import METHODS, WORLDS, measure

# A test fold of the C-NMC sample, all of its subjects, and about as many as in the whole of C-NMC.
SUBJECTS = (14, 42, 100)


def measure_all(cases: int, resamples: int, subjects: tuple[int, ...] | None = None) -> pd.DataFrame:
    """Return the rows of ``coverage.measure`` for every world and number of subjects, with a progress bar on stderr."""
    settings = EvaluationConfig(resamples=resamples)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = []
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for world in WORLDS:
            for number in subjects or SUBJECTS:
                task = bar.add_task(f"{world.name}, {number} subjects", total=cases)
                found.append(measure(world, number, settings, cases, after_each=lambda task=task: bar.advance(task)))
    return pd.concat(found, ignore_index=True).assign(resamples=resamples, confidence=settings.confidence)


def coverage_table(found: pd.DataFrame, world: str) -> Table:
    """Show how many of 100 cases of one world are covered: a row per metric and number, a column per method."""
    heads = [Column(head, no_wrap=True) for head in ("n", "metric", *METHODS)]
    shown = Table(*heads, title=f"{world}: of 100 intervals cover the truth", caption="n: subjects", box=SIMPLE)
    for (subjects, metric), group in found[found["world"] == world].groupby(["subjects", "metric"], sort=False):
        shares = group.set_index("method")["share"]
        cells = [f"{100 * shares[method]:.1f}" for method in METHODS]
        shown.add_row(str(subjects), metric, *cells, end_section=metric == found["metric"].iloc[-1])
    return shown
