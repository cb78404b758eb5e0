"""The tables of scripts/figures.py, of runs that are named."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from karyocyte.runs.run import Run
from reproduction.figures.checkpoints import checkpoints_of
from reproduction.figures.layers import layers_of
from reproduction.figures.missed import missed_by
from reproduction.figures.smoothness import smoothness_of


def make_table(what: str, words: Sequence[str]) -> pd.DataFrame:
    """Return a table of finished runs, folders; "layers" takes names of experiments, too.

    Raises:
        UserError: A run is missing or not finished, or lacks what the table is of.
    """
    if what == "layers":
        return pd.concat([layers_of(word).assign(network=word) for word in words], ignore_index=True)
    runs = [Run.open_finished(Path(word)) for word in words]
    if what == "smoothness":
        return smoothness_of(runs)
    if what == "missed":
        return missed_by([run.predictions for run in runs], [str(run.predictions.about["name"]) for run in runs])
    tables = []
    for run in runs:
        about = run.predictions.about
        table = checkpoints_of(run)
        for place, fact in enumerate(("name", "source", "protocol", "seed")):
            table.insert(place, fact, about.get(fact))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
