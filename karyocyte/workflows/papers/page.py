"""The page of a reproduced paper: every printed figure beside ours, what it cost, pictures, and the commands."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from karyocyte.common.files import write_text
from karyocyte.common.paths import CONF
from karyocyte.common.text import counted
from karyocyte.evaluation.pages.blocks import Figure, Section
from karyocyte.evaluation.pages.rendering import render
from karyocyte.evaluation.types.table import Cell, Table
from karyocyte.workflows.papers.grades import count_grades, figure_cells, figure_tables, read_figures
from karyocyte.workflows.papers.plan import COMPARISON, ReproductionPlan, Runs
from karyocyte.workflows.papers.records import StepRecord

PAGE = "reproduction.html"
OURS = re.compile(r"^ *(?:- )?(?P<setting>[^#\n]+?) +# (?P<remark>.*\bours\b.*)$", re.MULTILINE)
TABLES = ("smoothness", "sizes", "trials")  # of layers (002), of crops (004), of the search (001)


def warnings_of(plan: ReproductionPlan, runs: Mapping[str, Runs]) -> list[str]:
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


def write_page(plan: ReproductionPlan, runs: Mapping[str, Runs], records: Mapping[str, StepRecord]) -> Path:
    """Write reproduction.html of finished runs, by split and experiment, and of the records of the steps."""
    figures = read_figures(plan.output / COMPARISON)
    sections = [
        _headline_section(figures),
        Section("All printed figures", "figures", tables=figure_tables(figures)),
        _choices_section(plan),
        _pictures_section(plan),
        _tables_section(plan),
        _costs_section(records),
    ]
    page = render(
        "karyocyte.workflows.papers",
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


def _choices_section(plan: ReproductionPlan) -> Section:
    """The settings that the paper does not print."""
    reading = (
        "Marked as ours in conf/experiment/, since the paper does not print them. What the paper prints twice, and "
        f"differently, is in docs/papers/{plan.paper}.md."
    )
    texts = [(CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8") for name in plan.experiments]
    marked = [pair for text in texts for pair in dict.fromkeys(OURS.findall(text))]
    choices = pd.DataFrame(marked, columns=["setting", "remark"])
    choices = choices.groupby(list(choices), sort=False).size().rename("experiments").reset_index()
    table = Table.of_frame("Choices that are ours", choices, reading=reading)
    return Section("Choices that are ours", "choices", tables=[table])


def _pictures_section(plan: ReproductionPlan) -> Section:
    figures = []
    for split in plan.splits:
        folder = plan.output / split.name
        for file in sorted(folder.rglob("*.png")):
            name = file.relative_to(folder).with_suffix("").as_posix().replace("_", " ")
            caption = f"{name}, {split.name}"
            source = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
            figures.append(Figure(caption, "", caption, source, wide=True))
    return Section("Pictures", "pictures", figures=figures)


def _tables_section(plan: ReproductionPlan) -> Section | None:
    """The tables that the further steps make, without the columns of paths."""
    tables = []
    for name in TABLES:
        for file in sorted(plan.output.glob(f"*/**/{name}.csv")):
            frame = pd.read_csv(file).drop(columns=["run", "message", "layer"], errors="ignore")
            for column in frame.filter(regex="(^|[._])lr$"):  # three decimals would show most rates as zero
                frame[column] = frame[column].map("{:.2g}".format)
            tables.append(Table.of_frame(file.relative_to(plan.output).with_suffix("").as_posix(), frame))
    if not tables:
        return None
    return Section("Further tables", "tables", tables=tables)


def _costs_section(records: Mapping[str, StepRecord]) -> Section:
    rows: list[dict[str, Cell]] = []
    for name, record in records.items():
        cells: dict[str, Cell] = {"step": f"{name}\n{record.line}", "minutes": f"{record.seconds / 60:.1f}"}
        rows.append(cells | {"": "failed" if record.code != 0 else ""})
    return Section(
        "Commands and their cost", "costs", tables=[Table.of("Commands", rows, "Of all calls of a command.")]
    )


def _pages(plan: ReproductionPlan) -> dict[str, str]:
    pages = {}
    for split in plan.splits:
        for report in sorted((plan.output / split.name).glob("report*.html")):
            of = report.stem.removeprefix("report").lstrip("-")
            pages[", ".join(filter(None, ("Report", of, split.name)))] = f"{split.name}/{report.name}"
    return pages
