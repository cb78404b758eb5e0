"""Measured results as rows of a committed CSV table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, write_csv
from karyocyte.evaluation.comparison.pairwise import PairwiseComparison
from karyocyte.evaluation.types.result import FOLD_MEAN, TEST, EvaluationResult, Interval, Kind, Metrics

FACTS = ("label", "experiment", "source", "tested_on", "synthetic", "protocol", "folds", "seeds", "images", "subjects")
VALUES = ("metric", "value", "low", "high", "method", "mean_over_folds", "mean_low", "mean_high")
COLUMNS = (*FACTS, *VALUES, "images_seen", "wall_seconds", "revision", "departures")
SEPARATOR = "; "  # between the texts of a cell
OF_ABOUT = {"experiment": "name", "tested_on": "on", "folds": "fold", "seeds": "seed"}  # on: another set than the run's
OF_ABOUT |= {fact: fact for fact in ("source", "protocol", "images_seen", "wall_seconds", "revision")}
# Of a metric's name in the sections of the figures; those of installed packages name theirs.
PATTERNS = {Kind.AT_HALF: "{}", Kind.AT_THRESHOLD: "{}@threshold"}
PATTERNS |= {Kind.CALIBRATED: "{}", Kind.SCALED: "{}_scaled", Kind.SAMPLED: "{}_sampled"}
BEGINNINGS = {Kind.ADDED: "{{}}", Kind.BASELINE: "{{}}_{}", Kind.BY_SUBJECT: "{{}}_by_subject_{}"}
# Two rows that agree in these are two measurements of the same thing: the newer one stays.
IDENTITY = ["label", "experiment", "source", "tested_on", "protocol", "folds", "seeds", "metric"]


def rows_of(result: EvaluationResult, label: str, departures: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Turn the test part of an evaluation into rows; ``departures`` are those of its runs from their experiment.

    Metrics at the chosen threshold are named ``<metric>@threshold``, of subjects ``<metric>_by_subject_mean`` and
    ``..._share``, those of installed packages as these name them. Calibration is ``ece``, ``brier`` and ``nll``, after
    scaling ``<metric>_scaled``, of the mean of many passes ``<metric>_sampled``; ``aurc`` and ``aurc_<confidence>`` are
    areas under risk-coverage curves, ``triage_<figure>/<rule>`` is what a rule of triage does, and
    ``<metric>_<baseline>``, such as ``auc_area alone``, what a regression on a few numbers gives.
    """
    test = result.test
    about = result.about
    shared: dict[str, Any] = {fact: about.get(key) for fact, key in OF_ABOUT.items()}
    shared |= {"label": label, "images": test.images, "subjects": test.subjects}
    shared["departures"] = SEPARATOR.join(departures)
    shared["synthetic"] = about.get("synthetic") or None
    if about.get("wall_seconds") is not None:
        shared["wall_seconds"] = round(about["wall_seconds"])
    return _rows(shared, _metrics_of(result, TEST), _metrics_of(result, FOLD_MEAN))


def rows_of_matrix(comparison: PairwiseComparison, label: str) -> list[dict[str, Any]]:
    """Turn all pairs into rows: ``difference/<metric>``, ``mcnemar_p`` and it corrected, ``mcnemar_p_holm``."""
    rows = []
    for pair in comparison.pairs:
        shared: dict[str, Any] = {"label": label, "experiment": f"{pair.first} - {pair.second}"}
        shared |= {"images": pair.images, "subjects": pair.subjects}
        found = _named("difference/{}", pair.differences)
        found["mcnemar_p"] = Interval(pair.mcnemar.p_value, method="exact")
        found["mcnemar_p_holm"] = Interval(pair.p_corrected, method="exact")
        rows += _rows(shared, found, {})
    return rows


def _rows(shared: dict[str, Any], metrics: Metrics, means: Metrics) -> list[dict[str, Any]]:
    rows = []
    for name, metric in metrics.items():
        mean = means.get(name, Interval(None))
        values = (name, metric.value, metric.low, metric.high, metric.method, mean.value, mean.low, mean.high)
        rows.append(shared | dict(zip(VALUES, values, strict=True)))
    return rows


def _named(pattern: str, metrics: Metrics) -> Metrics:
    return {pattern.format(name): metric for name, metric in metrics.items()}


def _metrics_of(result: EvaluationResult, part: str) -> Metrics:
    """Return the figures of a part that are written, by the names of their rows."""
    metrics: Metrics = {}
    for section, pattern in PATTERNS.items():
        metrics |= _named(pattern, result.of(section, part))
    for beginning, pattern in BEGINNINGS.items():
        for name, of_section in result.sections(beginning, part).items():
            metrics |= _named(pattern.format(name), of_section)
    for name, of_section in result.sections(Kind.RISK, part).items():
        metrics["aurc" if name == "probability" else f"aurc_{name}"] = of_section["aurc"]
    for rule, of_section in result.sections(Kind.TRIAGE, part).items():
        for name in ("review_share", "sensitivity"):
            metrics[f"triage_{name}/{rule}"] = of_section[name]
    if unseen := result.of(Kind.UNSEEN, part):
        metrics["triage_unseen_subjects/release"] = unseen["positive"]
    return metrics


def read_rows(path: Path) -> pd.DataFrame | None:
    """Read a table of ``append_rows`` as text, None where there is none yet.

    Raises:
        UserError: What is there is none of its tables.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        table = read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable table: name another file with --csv") from error
    if set(table.columns) != set(COLUMNS):
        raise UserError(f"{path} has other columns than {', '.join(COLUMNS)}: name another file with --csv")
    return table


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add rows to a CSV table, written whole or not at all; an older measurement of the same thing is replaced.

    Raises:
        UserError: What is there is none of its tables.
    """
    path = Path(path)
    # Text throughout: figures that were written once are never rounded again.
    new = pd.DataFrame(rows, columns=list(COLUMNS)).map(_text)
    old = read_rows(path)
    if old is not None:
        new = pd.concat([old, new], ignore_index=True).drop_duplicates(IDENTITY, keep="last")
    write_csv(path, new)


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, float):  # six digits tell any two sets of images apart; more would feign precision
        return f"{value:.6f}"
    return str(value)
