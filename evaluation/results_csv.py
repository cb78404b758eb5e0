"""Measured results as rows of a committed CSV table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from common.files import write_csv
from evaluation.result import EvaluationResult, Interval

COLUMNS = (
    "label",
    "experiment",
    "source",
    "tested_on",
    "synthetic",
    "protocol",
    "folds",
    "seeds",
    "images",
    "subjects",
    "metric",
    "value",
    "low",
    "high",
    "method",
    "mean_over_folds",
    "mean_low",
    "mean_high",
    "images_seen",
    "wall_seconds",
    "revision",
)
ADDED = {"tested_on", "synthetic"}  # older tables lack these columns
# Two rows that agree in these are two measurements of the same thing: the newer one stays.
IDENTITY = ["label", "experiment", "source", "tested_on", "protocol", "folds", "seeds", "metric"]


def rows_of(result: EvaluationResult, label: str) -> list[dict[str, Any]]:
    """Turn the test part of an evaluation into rows.

    Metrics at the chosen threshold are named ``<metric>@threshold``, of the joint assignment ``<metric>_assigned``, of
    subjects ``<metric>_by_subject_mean`` and ``..._share``. Calibration is ``ece``, ``brier`` and ``nll``, after
    scaling ``<metric>_scaled``, of the mean of many passes ``<metric>_sampled``; ``aurc`` and ``aurc_<confidence>`` are
    areas under risk-coverage curves, ``triage_<figure>/<rule>`` is what a rule of triage does.
    """
    test = result.test
    metrics = dict(test.metrics)
    means = dict(result.fold_means.metrics) if result.fold_means else {}
    metrics |= _named("{}@threshold", test.metrics_at_threshold)
    if result.fold_means:
        means |= _named("{}@threshold", result.fold_means.metrics_at_threshold)
    if result.assignment:
        metrics |= result.assignment.metrics
        means |= result.assignment.fold_means or {}
    shared = _shared(result.about, test.images, test.subjects, label)
    rows = [{**shared, **_ends(name, metric), **_mean_columns(means.get(name))} for name, metric in metrics.items()]
    return rows + [{**shared, **_ends(name, metric)} for name, metric in _details(result).items()]


def _named(pattern: str, metrics: Mapping[str, Interval] | None) -> dict[str, Interval]:
    return {pattern.format(name): metric for name, metric in (metrics or {}).items()}


def rows_of_matrix(matrix: dict, label: str) -> list[dict]:
    """Turn what ``matrix.compare_groups`` found into rows: ``difference/<metric>``, ``mcnemar_p`` and it corrected."""
    rows = []
    for pair in matrix["pairs"]:
        shared = dict.fromkeys(COLUMNS) | {name: pair[name] for name in ("images", "subjects")}
        shared |= {"label": label, "experiment": f"{pair['first']} - {pair['second']}"}
        found = {f"difference/{name}": interval for name, interval in pair["differences"].items()}
        found |= {"mcnemar_p": _plain(pair["mcnemar"]["p_value"], method="exact")}
        if matrix["method"] != "none":
            found |= {f"mcnemar_p_{matrix['method']}": _plain(pair["p_corrected"], method="exact")}
        rows += [{**shared, **_ends(name, interval)} for name, interval in found.items()]
    return rows


def _details(result: EvaluationResult) -> dict[str, Interval]:
    """Calibration, subjects and triage, as intervals by name."""
    details: dict[str, Interval] = {}
    if result.calibration:
        details |= result.calibration.before.intervals
        if result.calibration.after:
            details |= _named("{}_scaled", result.calibration.after.intervals)
        if result.calibration.sampled:
            details |= _named("{}_sampled", result.calibration.sampled.intervals)
    if result.by_subject:
        for rule, subjects in result.by_subject.rules.items():
            details |= _named(f"{{}}_by_subject_{rule}", subjects.metrics)
    if result.triage:
        for name, area in result.triage.risk_coverage.items():
            if area.interval is not None:
                details["aurc" if name == "probability" else f"aurc_{name}"] = area.interval
        for row in result.triage.rules:
            share = row.sensitivity
            details[f"triage_review_share/{row.rule}"] = _plain(row.review_share)
            details[f"triage_sensitivity/{row.rule}"] = _plain(share.value, share.low, share.high, "exact")
    return details


def rows_of_comparison(comparison: dict, label: str) -> list[dict]:
    """Turn what ``comparison.compare`` found into rows: ``difference/<metric>`` and ``mcnemar_p``."""
    shared = _shared(comparison["first_about"], comparison["images"], comparison["subjects"], label)
    shared["experiment"] = f"{_text(shared['experiment'])} - {_text(comparison['second_about'].get('name'))}"
    p_value = _plain(comparison["mcnemar"]["p_value"], method="exact")
    found = {f"difference/{name}": interval for name, interval in comparison["differences"].items()}
    means = comparison.get("fold_mean_differences") or {}
    of_folds = {f"difference/{name}": _mean_columns(interval) for name, interval in means.items()}
    rows = {**found, "mcnemar_p": p_value}
    return [{**shared, **_ends(name, interval), **of_folds.get(name, {})} for name, interval in rows.items()]


def read_rows(path: Path) -> pd.DataFrame | None:
    """Read a table of ``append_rows`` as text, None where there is none yet.

    Raises:
        UserError: What is there is none of its tables.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        found = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable table: name another file with --csv") from error
    if not set(found.columns) ^ set(COLUMNS) <= ADDED:
        raise UserError(f"{path} has other columns than {', '.join(COLUMNS)}: name another file with --csv")
    return found.reindex(columns=list(COLUMNS), fill_value="")


def append_rows(path: Path, rows: list[dict]) -> None:
    """Add rows to a CSV table, written whole or not at all; an older measurement of the same thing is replaced.

    Raises:
        UserError: What is there is none of its tables.
    """
    path = Path(path)
    # Text throughout: figures that were written once are never rounded anew.
    new = pd.DataFrame(rows, columns=list(COLUMNS)).map(_text)
    old = read_rows(path)
    if old is not None:
        new = pd.concat([old, new], ignore_index=True).drop_duplicates(IDENTITY, keep="last")
    write_csv(path, new)


def _shared(about: dict, images: int, subjects: int | None, label: str) -> dict:
    return {
        "label": label,
        "experiment": about.get("name"),
        "source": about.get("source"),
        "tested_on": about.get("on"),  # another data set than the run's
        "synthetic": True if about.get("synthetic") else None,
        "protocol": about.get("protocol"),
        "folds": about.get("fold"),
        "seeds": about.get("seed"),
        "images": images,
        "subjects": subjects,
        "images_seen": about.get("images_seen"),
        "wall_seconds": None if about.get("wall_seconds") is None else round(about["wall_seconds"]),
        "revision": about.get("revision"),
    }


def _ends(metric: str, interval: Interval) -> dict[str, Any]:
    return {"metric": metric} | {key: interval[key] for key in ("value", "low", "high", "method")}


def _plain(
    value: float | None, low: float | None = None, high: float | None = None, method: str | None = None
) -> Interval:
    return Interval(value, low, high, method, 0, 0, 0)


def _mean_columns(interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return dict.fromkeys(("mean_over_folds", "mean_low", "mean_high"))
    return {"mean_over_folds": interval["value"], "mean_low": interval["low"], "mean_high": interval["high"]}


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    if isinstance(value, float):
        # Six digits tell any two sets of images apart; more would feign precision.
        if pd.isna(value):
            return ""
        return f"{value:.6f}"
    if value is None:
        return ""
    return str(value)
