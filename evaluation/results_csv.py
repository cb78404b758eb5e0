"""Measured results as rows of a committed CSV table."""

from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.files import write_csv

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


def rows_of(judgement: dict, label: str) -> list[dict]:
    """Turn a judgement's test part into rows.

    Metrics at the chosen threshold are named ``<metric>@threshold``, of cells placed jointly ``<metric>_assigned``, of
    subjects ``<metric>_by_subject_mean`` and ``..._share``. Calibration is ``ece``, ``brier`` and ``nll``, after
    scaling ``<metric>_scaled``, of the mean of many passes ``<metric>_sampled``; ``aurc`` and ``aurc_<confidence>`` are
    areas under risk-coverage curves, ``triage_<figure>/<rule>`` is what a rule of triage does.
    """
    means = judgement.get("fold_means") or {"metrics": {}, "metrics_at_threshold": {}}
    cells = judgement.get("assignment") or {"metrics": {}, "fold_means": None}
    test = judgement["test"]
    rows = []
    shared = _shared(judgement["about"], test["images"], test["subjects"], label)
    for key, suffix in (("metrics", ""), ("metrics_at_threshold", "@threshold")):
        for metric, interval in (test[key] or {}).items():
            mean = (means[key] or {}).get(metric) or {}
            rows.append({**shared, **_ends(metric + suffix, interval), **_mean_columns(mean)})
    for metric, interval in cells["metrics"].items():
        mean = (cells["fold_means"] or {}).get(metric) or {}
        rows.append({**shared, **_ends(metric, interval), **_mean_columns(mean)})
    return rows + [{**shared, **_ends(metric, interval)} for metric, interval in _details(judgement).items()]


def rows_of_matrix(matrix: dict, label: str) -> list[dict]:
    """Turn what ``matrix.compare_groups`` found into rows: ``difference/<metric>``, ``mcnemar_p`` and it corrected."""
    rows = []
    for pair in matrix["pairs"]:
        shared = dict.fromkeys(COLUMNS) | {name: pair[name] for name in ("images", "subjects")}
        shared |= {"label": label, "experiment": f"{pair['first']} - {pair['second']}"}
        found = {f"difference/{name}": interval for name, interval in pair["differences"].items()}
        found |= {"mcnemar_p": _exact(pair["mcnemar"]["p_value"])}
        if matrix["method"] != "none":
            found |= {f"mcnemar_p_{matrix['method']}": _exact(pair["p_corrected"])}
        rows += [{**shared, **_ends(name, interval)} for name, interval in found.items()]
    return rows


def _details(judgement: dict) -> dict[str, dict]:
    """What is judged beside the metrics, as intervals by name."""
    found = {}
    calibration = judgement.get("calibration") or {}
    for key, suffix in (("before", ""), ("after", "_scaled"), ("sampled", "_sampled")):
        ends = (calibration.get(key) or {}).get("intervals", {})
        found |= {f"{name}{suffix}": interval for name, interval in ends.items()}
    for rule, judged in ((judgement.get("by_subject") or {}).get("rules") or {}).items():
        found |= {f"{name}_by_subject_{rule}": interval for name, interval in judged["metrics"].items()}
    triage = judgement.get("triage") or {"risk_coverage": {}, "rules": []}
    for name, row in triage["risk_coverage"].items():
        found["aurc" if name == "probability" else f"aurc_{name}"] = row["interval"]
    for row in triage["rules"]:
        found[f"triage_review_share/{row['rule']}"] = _plain(row["review_share"])
        found[f"triage_sensitivity/{row['rule']}"] = {**row["sensitivity"], "method": "exact"}
    return found


def rows_of_comparison(comparison: dict, label: str) -> list[dict]:
    """Turn what ``comparison.compare`` found into rows: ``difference/<metric>`` and ``mcnemar_p``."""
    shared = _shared(comparison["first_about"], comparison["images"], comparison["subjects"], label)
    shared["experiment"] = f"{_text(shared['experiment'])} - {_text(comparison['second_about'].get('name'))}"
    p_value = _exact(comparison["mcnemar"]["p_value"])
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


def _ends(metric: str, interval: dict) -> dict:
    return {"metric": metric} | {key: interval[key] for key in ("value", "low", "high", "method")}


def _exact(value: float) -> dict:
    return {**_plain(value), "method": "exact"}


def _plain(value: float) -> dict:
    return {"value": value, "low": None, "high": None, "method": None}


def _mean_columns(interval: dict) -> dict:
    return {
        "mean_over_folds": interval.get("value"),
        "mean_low": interval.get("low"),
        "mean_high": interval.get("high"),
    }


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
