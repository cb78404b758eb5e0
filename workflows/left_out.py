"""Runs whose test part lacks the cells of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from common.cell_list import CellList
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from common.text import counted
from evaluation.intervals.grouping import Group

WITHOUT = "without"  # folder of the second evaluation below the first


@dataclass(frozen=True)
class LeftOut:
    """Runs without some test cells, and a fact that says how many: "without 1 cell, 45 images of suspects.csv"."""

    groups: list[Group]
    against: list[Predictions]
    fact: str


def leave_out(cells: CellList, groups: Sequence[Group], against: Sequence[Predictions], runs: Sequence[Run]) -> LeftOut:
    """Leave cells out of the test part; validation images stay, so that thresholds and temperatures do.

    Args:
        cells: Those of another part than the test part have no effect.
        groups: Runs by experiment.
        against: Of the same images.
        runs: The folders of the runs, whose splits list all images of the data set.

    Raises:
        UserError: A cell is neither in the predictions nor, by a path of the table, in a split.
    """
    every = pd.concat([run.frame for group in groups for run in group.runs])
    paths: set[str] = set()
    for run in runs:
        if run.has(RunFile.SPLIT):
            paths.update(run.split["path"])
    cells.check_known(every, paths)
    left = every[np.asarray(cells.rows(every)) & (every["part"] == "test").to_numpy()]
    number, images = len(left[["subject", "cell"]].drop_duplicates()), left["image_id"].nunique()
    fact = f"without {counted(number, 'cell')}, {counted(images, 'image')} of {cells.file.name}"
    reduced = []
    for group in groups:
        reduced.append(replace(group, runs=tuple(_without(cells, run, fact) for run in group.runs)))
    return LeftOut(reduced, [_without(cells, run, fact) for run in against], fact)


def _without(cells: CellList, run: Predictions, fact: str) -> Predictions:
    stays = ~cells.rows(run.frame) | (run.frame["part"] != "test")
    frame = run.frame[np.asarray(stays)].reset_index(drop=True)
    return replace(run, frame=frame, about=run.about | {"left_out": fact})
