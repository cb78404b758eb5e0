"""What a judgement says beyond its metrics: kinds, subjects, subgroups, operating points, calibration, triage."""

import pandas as pd

from common.predictions import Predictions
from common.schema import EvaluationConfig
from evaluation.by_subject import by_subject_table, judge_subjects
from evaluation.calibration import calibration_cautions, judge_calibration
from evaluation.operating_points import operating_points, operating_points_table
from evaluation.per_kind import per_kind, per_kind_table
from evaluation.scored import Scored
from evaluation.subgroups import subgroup_cautions, subgroups, subgroups_table
from evaluation.thresholds import OperatingPoint
from evaluation.triage import judge_triage, triage_cautions, triage_table


def judge_details(
    runs: list[Predictions], test: Scored, points: list[OperatingPoint], settings: EvaluationConfig
) -> tuple[dict[str, dict | list[dict] | None], list[str]]:
    """Judge everything that is said beside the metrics.

    Args:
        runs: One run, or folds of one experiment.
        test: Their labelled test images, fold after fold.
        points: Each fold's threshold.
        settings: See ``judge.judge``.

    Returns:
        ``per_kind``, ``by_subject``, ``subgroups``, ``operating_points``, ``calibration`` and ``triage`` (see the
        functions of these names, ``judge_...``), and lines that say what limits them.
    """
    calibration, triage = judge_calibration(runs, settings), judge_triage(runs, settings)
    groups = subgroups(runs, test, settings)
    found = {
        "per_kind": per_kind(runs, [point.value for point in points], settings.confidence),
        "by_subject": judge_subjects(runs, settings),
        "subgroups": groups,
        "operating_points": operating_points(runs, test, settings),
        "calibration": calibration,
        "triage": triage,
    }
    lines = subgroup_cautions(groups) + calibration_cautions(calibration) + triage_cautions(runs, triage, settings)
    return found, lines


def detail_tables(judgement: dict, runs: list[Predictions]) -> dict[str, pd.DataFrame]:
    """Return what is written of it as CSV tables, by their names; what there is none of is absent."""
    tables = {
        "per_kind": per_kind_table,
        "by_subject": lambda found: by_subject_table(runs, found),
        "subgroups": subgroups_table,
        "operating_points": operating_points_table,
        "triage": triage_table,
    }
    return {name: make(judgement[name]) for name, make in tables.items() if judgement[name]}
