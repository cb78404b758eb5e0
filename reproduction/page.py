"""The page of a reproduced paper: every printed figure beside ours, pictures, and what each command cost."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from karyocyte.common.files import write_text
from karyocyte.common.text import counted
from karyocyte.evaluation.pages.blocks import Figure, Section
from karyocyte.evaluation.pages.rendering import render
from karyocyte.evaluation.types.table import Cell, Table
from reproduction.grades import count_grades, read_figures
from reproduction.plan import COMPARISON, Plan, Runs
from reproduction.tables import figure_cells, figure_tables

PAGE = "reproduction.html"


def warnings_of(plan: Plan, runs: Mapping[str, Runs]) -> list[str]:
    """Return which experiments of a split have unfinished runs."""
    warnings = []
    for split in plan.splits:
        planned = len(plan.seeds) * len(split.folds)
        unfinished = []
        for name in plan.experiments:
            count = planned - len(runs[split.name].get(name, ()))
            if count:
                unfinished.append(f"{name} ({count} of {planned})")
        if unfinished:
            warnings.append(f"{split.name} split: unfinished runs of {', '.join(unfinished)}")
    return warnings


def write_page(plan: Plan, runs: Mapping[str, Runs], costs: Mapping[str, tuple[float, bool]]) -> Path:
    """Write reproduction.html of finished runs, by split and experiment.

    ``costs`` are the seconds of each command, and whether it succeeded.
    """
    figures = read_figures(plan.output / COMPARISON)
    sections = [
        _headline_section(figures),
        Section("All printed figures", "figures", tables=figure_tables(figures)),
        _pictures_section(plan),
        _costs_section(costs),
    ]
    page = render(
        "reproduction",
        "reproduction.html.j2",
        plan=plan,
        warnings=warnings_of(plan, runs),
        pages=_pages(plan),
        figures=figures,
        counts=count_grades(figures),
        sections=list(filter(None, sections)),
        counted=counted,
    )
    write_text(plan.output / PAGE, page)
    return plan.output / PAGE


def _headline_section(figures: pd.DataFrame) -> Section:
    """The figure that each experiment is known by."""
    rows = []
    for row in figures[figures["headline"] & (figures["measurement"] > 0)].to_dict("records"):
        place = "; ".join(filter(None, (row["section"], row["deviations"])))
        rows.append({"experiment": f"{row['experiment']}\n{place}", **figure_cells(row), "grade": row["grade"]})
    reading = (
        "Ours with a 95 % interval. The grade compares the printed figure with ours on the paper's own split; with "
        "subjects apart no subject or official test image is in two parts. Below each experiment: what else differs."
    )
    return Section("Main figures", "main", tables=[Table.of("Main figures", rows, reading)])


def _pictures_section(plan: Plan) -> Section:
    figures = []
    for split in plan.splits:
        folder = plan.output / split.name
        for file in sorted(folder.rglob("*.png")):
            name = file.relative_to(folder).with_suffix("").as_posix().replace("_", " ")
            caption = f"{name}, {split.name}"
            source = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
            figures.append(Figure(caption, "", caption, source, wide=True))
    return Section("Pictures", "pictures", figures=figures)


def _costs_section(costs: Mapping[str, tuple[float, bool]]) -> Section:
    rows: list[dict[str, Cell]] = []
    for command, (seconds, succeeded) in costs.items():
        rows.append({"step": command, "minutes": f"{seconds / 60:.1f}", "": "" if succeeded else "failed"})
    table = Table.of("Commands", rows, "Of all calls of a command.")
    return Section("Commands and their cost", "costs", tables=[table])


def _pages(plan: Plan) -> dict[str, str]:
    """Return the reports by their titles."""
    pages = {}
    for split in plan.splits:
        for report in sorted((plan.output / split.name).glob("report*.html")):
            of = report.stem.removeprefix("report").lstrip("-")
            pages[", ".join(filter(None, ("Report", of, split.name)))] = f"{split.name}/{report.name}"
    return pages
