"""Runs whose test part lacks the cells of a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.cell_list import CellList
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.run import Run
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
    every = [run for group in groups for run in group.runs]
    known = {cell for run in every for cell in run.frame["cell"].dropna()}
    paths = {path for run in runs if run.has(RunFile.SPLIT) for path in run.split["path"]}
    cells.check_known(known, paths)
    tested = [run.part("test").frame for run in every]
    left = [frame[cells.rows(frame)].drop_duplicates("image_id") for frame in tested]
    images = {image for frame in left for image in frame["image_id"]}
    number = len({cell for frame in left for cell in frame["cell"]})
    fact = f"without {number} {'cell' if number == 1 else 'cells'}, {len(images)} images of {cells.file.name}"
    reduced = []
    for group in groups:
        reduced.append(replace(group, runs=tuple(_without(cells, run, fact) for run in group.runs)))
    return LeftOut(reduced, [_without(cells, run, fact) for run in against], fact)


def _without(cells: CellList, run: Predictions, fact: str) -> Predictions:
    stays = ~cells.rows(run.frame) | (run.frame["part"] != "test")
    frame = run.frame[np.asarray(stays)].reset_index(drop=True)
    return replace(run, frame=frame, about=run.about | {"left_out": fact})
