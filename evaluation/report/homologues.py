"""The section on comparisons of homologues."""

from functools import partial

import pandas as pd

from evaluation.homologues import plots as figures
from evaluation.homologues.evaluate import evaluate_pairs
from evaluation.homologues.result import HomologueResult
from evaluation.homologues.tables import controls, pairs_table, units_table
from evaluation.report.blocks import Figure, Section, Table, interval
from evaluation.report.plots import as_picture
from evaluation.report.sources import Chapter
from evaluation.result import Interval


def homologues_section(chapter: Chapter, name: str) -> Section:
    """Return what is found of rearranged pairs, cells and cases; empty where no homologues are compared."""
    evaluation = evaluate_pairs(chapter.group.runs, chapter.runs, chapter.settings)
    if evaluation is None:
        return Section("Homologues", name)
    result = evaluation.result
    return Section("Homologues", name, _tables(result), _figures(result))


def _tables(result: HomologueResult) -> list[Table]:
    of_controls = [{"measured": text, "value": interval(found)} for text, found in controls(result).items()]
    return [
        Table(
            "Pairs by size of the rearrangement, a share of the chromosome's length",
            "Mean over the chromosomes of the AUC within each, against its normal pairs; the size from which on "
            "80 % are found at a specificity of 95 %.",
            _rows(pairs_table(result)),
        ),
        Table(
            "Cells and cases",
            "AUC. A cell is as abnormal as its most abnormal pair, a case as the highest mean of a chromosome over its "
            "cells.",
            _rows(units_table(result)),
        ),
        Table("Controls, false alarms, places", "Normal pairs should not be told apart: an AUC of 0.5.", of_controls),
    ]


def _figures(result: HomologueResult) -> list[Figure]:
    limits = [f"{curve.kind}: {interval(curve.limit)}" for curve in result.curves]
    alarms = [f"{each.chromosome}: {interval(each.auc)}" for each in result.chromosomes]
    return [
        Figure(
            "Sensitivity against size",
            "The dashed line is at 80 %, which is reached at the dotted one.",
            "; ".join(limits),
            as_picture(partial(figures.draw_detection_curves, result=result), (9.0, 6.0)),
            wide=True,
        ),
        Figure(
            "Chromosomes",
            "Below: normal pairs above the threshold of 95 % specificity, which should be 5 %.",
            "; ".join(alarms),
            as_picture(partial(figures.draw_chromosomes, result=result), (9.0, 5.6)),
            wide=True,
        ),
    ]


def _rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Write a table; what is not measured is a dash."""
    rows = []
    for row in frame.to_dict("records"):
        rows.append({str(name): _cell(value) for name, value in row.items()})
    return rows


def _cell(value: object) -> str:
    if isinstance(value, Interval) and value.value is not None:
        return interval(value)
    return value if isinstance(value, str) else "-"
