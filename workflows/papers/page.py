"""The page of a reproduced paper: every printed figure beside ours, what it cost, pictures, and the commands."""

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from common.files import write_text
from common.runs.lifecycle import other_revisions
from common.text import counted
from evaluation.pages.blocks import Figure, Section, Tile, metric_title
from evaluation.pages.rendering import render
from evaluation.result import Estimate
from evaluation.tables import Cell, Table
from workflows.papers.plan import Plan, Runs, comparison_csv
from workflows.papers.records import StepRecord

PAGE = "reproduction.html"
VERDICTS = {
    "reproduced": "our 95 % interval holds the printed figure",
    "higher": "ours is above the printed figure",
    "lower": "ours is below the printed figure",
    "not comparable": "not measured, or data, split, size, weights, network or training are not the paper's",
}
EPOCH_LOSS = "The epoch loss is the mean over the batches of an epoch, with dropout, as Keras prints it."


def warnings_of(plan: Plan, runs: Mapping[str, Runs]) -> list[str]:
    """Return which experiments have unfinished runs, and which runs another version of the code has made."""
    return _unfinished(plan, runs) + _other_versions(runs)


def write_page(plan: Plan, runs: Mapping[str, Runs], records: Mapping[str, StepRecord]) -> Path:
    """Write reproduction.html of finished runs, by split and experiment, and of the records of the steps."""
    figures = pd.read_csv(comparison_csv(plan), dtype=str).fillna("")
    figures["headline"] = figures["headline"] == "True"
    if "deviation" not in figures:  # written by an earlier version
        figures["deviation"] = ""
    sections = [
        _headline_section(figures),
        _figures_section(figures),
        _pictures_section(plan),
        _costs_section(records),
    ]
    page = render(
        "workflows.papers",
        "reproduction.html.j2",
        paper=plan.paper,
        title=plan.config.title,
        settings=_settings(plan),
        warnings=warnings_of(plan, runs),
        pages=_pages(plan),
        tiles=_tiles(figures),
        sections=[section for section in sections if section],
    )
    write_text(plan.output / PAGE, page)
    return plan.output / PAGE


def _tiles(figures: pd.DataFrame) -> list[Tile]:
    counts = figures["verdict"].value_counts()
    tiles = [Tile("printed figures", f"{len(figures):,}", note=f"of {figures['experiment'].nunique()} experiments")]
    return tiles + [Tile(verdict, str(counts.get(verdict, 0)), note=note) for verdict, note in VERDICTS.items()]


def _headline_section(figures: pd.DataFrame) -> Section:
    """The figure that each experiment is known by."""
    rows = []
    for row in figures[figures["headline"]].to_dict("records"):
        place = "; ".join(filter(None, (row["section"], _deviation(row["deviation"]))))
        rows.append({"experiment": f"{row['experiment']}\n{place}", **_compared(row), "minutes": _minutes(row)})
    reading = (
        "Ours with a 95 % interval. The verdict compares the printed figure with ours on the paper's own split; in "
        "the honest split no subject or official test image is in two parts. Minutes are those of one run."
    )
    return Section("Main figures", "main", tables=[Table.of("Main figures", rows, reading)])


def _figures_section(figures: pd.DataFrame) -> Section:
    """All printed figures, a table for each experiment, with what makes them not comparable."""
    tables = []
    for (experiment, section), rows in figures.groupby(["experiment", "section"], sort=False):
        reasons = _numbered_reasons(rows["reason"])
        reading = [f"Not comparable: {_listed(reasons)}."] if reasons else []
        if "epoch_loss" in set(rows["metric"]):
            reading.append(EPOCH_LOSS)
        reading.append(_deviation(rows["deviation"].iloc[0]))
        compared = [_compared(row, reasons) for row in rows.to_dict("records")]
        title = f"{experiment}, section {section}"
        tables.append(Table.of(title, compared, " ".join(filter(None, reading))))
    return Section("All printed figures", "figures", tables=tables)


def _numbered_reasons(reasons: pd.Series) -> dict[str, str]:
    """Return a number for each reason of a table; none where all figures have the same ones."""
    several = dict.fromkeys(reason for text in reasons for reason in text.split("; ") if reason)
    if reasons.nunique() == 1:
        return dict.fromkeys(several, "")
    return {reason: str(number) for number, reason in enumerate(several, 1)}


def _listed(reasons: dict[str, str]) -> str:
    return "; ".join(f"{number}. {reason}" if number else reason for reason, number in reasons.items())


def _deviation(deviation: str) -> str:
    """The note on an experiment that deviates from the paper's in a known way."""
    return f"Known deviation: {deviation}." if deviation else ""


def _compared(row: dict[str, object], reasons: Mapping[str, str] = MappingProxyType({})) -> dict[str, Cell]:
    """The cells of a figure; ``reasons`` are the numbers that stand behind its verdict."""
    numbers = [reasons[reason] for reason in str(row["reason"]).split("; ") if reasons.get(reason)]
    numbers.sort(key=int)
    return {
        "figure": f"{row['part']} {metric_title(str(row['metric']))}",
        "printed": str(row["printed"]) or "-",
        "split as the paper": _ours(row, "as_paper"),
        "honest split": _ours(row, "honest"),
        "verdict": " ".join([str(row["verdict"]), ", ".join(numbers)]).strip(),
    }


def _ours(row: dict[str, object], role: str) -> Estimate | str:
    """Our value with its interval; "-" where it was not measured."""
    value, low, high = (float(str(row[f"{role}{end}"] or "nan")) for end in ("", "_low", "_high"))
    if np.isnan(value):
        return "-"
    return Estimate(value, None if np.isnan(low) else low, None if np.isnan(high) else high)


def _minutes(row: dict[str, object]) -> str:
    """The wall time of a run, split as the paper or else honestly; "-" where it was not recorded."""
    minutes = row["as_paper_minutes"] or row["honest_minutes"]
    return f"{float(str(minutes)):.1f}" if minutes else "-"


def _pictures_section(plan: Plan) -> Section:
    figures = []
    for split in plan.splits:
        folder = plan.output / split.name
        for file in sorted(folder.rglob("*.png")):
            name = file.relative_to(folder).with_suffix("").as_posix().replace("_", " ")
            caption = f"{name}, {split.about}"
            source = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
            figures.append(Figure(caption, "", caption, source, wide=True))
    return Section("Pictures", "pictures", figures=figures)


def _costs_section(records: Mapping[str, StepRecord]) -> Section:
    rows: list[dict[str, Cell]] = []
    for name, record in records.items():
        cells: dict[str, Cell] = {
            "step": f"{name}\n{record.line}",
            "minutes": f"{record.seconds / 60:.1f}",
            "CPU minutes": f"{record.cpu_seconds / 60:.1f}",
            "memory, GiB": f"{record.memory_gib:.1f}",
            "": "" if record.code == 0 else "failed",
        }
        rows.append(cells)
    reading = "Of all calls of a command; with a cluster, processor time and memory of the launcher alone."
    return Section("Commands and their cost", "costs", tables=[Table.of("Commands", rows, reading)] if rows else [])


def _settings(plan: Plan) -> str:
    folds = ", ".join(f"{split.about}: {counted(len(split.folds), 'fold')}" for split in plan.splits)
    numbers = f"{counted(len(plan.experiments), 'experiment')}, {counted(len(plan.seeds), 'seed')}; {folds}"
    return f"{numbers}; {' '.join(plan.words) or 'no overrides'}"


def _unfinished(plan: Plan, runs: Mapping[str, Runs]) -> list[str]:
    warnings = []
    for split in plan.splits:
        planned = len(plan.seeds) * len(split.folds)
        unfinished = {name: planned - len(runs[split.name].get(name, ())) for name in plan.experiments}
        named = [f"{name} ({count} of {planned})" for name, count in unfinished.items() if count]
        if named:
            warnings.append(f"{split.about}: unfinished runs of {', '.join(named)}")
    return warnings


def _other_versions(runs: Mapping[str, Runs]) -> list[str]:
    """Return a warning where runs count as done that another version of the code has trained."""
    folders = [folder for of_split in runs.values() for several in of_split.values() for folder in several]
    others = Counter(line for folder in folders for line in other_revisions(Path(folder)))
    total = counted(len(folders), "run")
    kept = "finished runs are not trained again"
    return [f"{count} of {total}: {line} ({kept})" for line, count in sorted(others.items())]


def _pages(plan: Plan) -> dict[str, str]:
    pages = {}
    for split in plan.splits:
        for report in sorted((plan.output / split.name).glob("report*.html")):
            of = report.stem.removeprefix("report").lstrip("-")
            pages[", ".join(filter(None, ("Report", of, split.about)))] = f"{split.name}/{report.name}"
    return pages
