"""What scripts/karyotype.py writes and says of cells: tables, lines of the terminal, and a page with the karyograms."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cytogenetics.cells.cases import SETTLED, CaseCell, case_verdict
from cytogenetics.cells.cell_karyotype import ChromosomeCall
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.images.cell_images import CellFile, FileStatus
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from cytogenetics.karyotyping.cell_result import CellResult
from cytogenetics.review.cell_bundle import METAPHASES
from datamodules.io.decode import note_lines
from karyocyte.common.files import write_csv, write_text
from karyocyte.common.text import counted
from karyocyte.evaluation.pages.rendering import render, template_file
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION

CASE_COLUMNS = (
    *("case", "cells", "karyotype", "constitution", "probability", "second_constitution", "second_probability"),
    *("alone", "verdict", "reason", "left_out", "changed"),
)
RANKS = ("", "second_", "third_", "fourth_", "fifth_")  # prefixes of the columns of the most probable karyotypes
OF_CALL = ("probability", "runner_up", "runner_up_probability", "alone", "alone_probability")
FILE_COLUMNS = (
    *("case", "cell", "file", "status", "cause", "note", "class", *OF_CALL),
    *("doubtful", OUT_OF_DISTRIBUTION, "seen", "sha256"),
)
# Of a chromosome in a picture: its number there, its box in pixels, and the probability that it is a chromosome.
BOX_COLUMNS = ("number", "left", "top", "right", "bottom", "box_probability")
YES_OR_NO = {True: "yes", False: "no"}
BRACKETS = "in brackets: the cells that fit a clone best, judged together, not those that show it by themselves"
MOST_CASES = 10  # lines of the terminal


class Tables(NamedTuple):
    """karyotypes.csv, chromosomes.csv and cases.csv, which may be empty."""

    cells: pd.DataFrame
    chromosomes: pd.DataFrame
    cases: pd.DataFrame

    @classmethod
    def of(cls, results: Sequence[CellResult], seen: Mapping[str, str], priors: KaryotypePriors) -> "Tables":
        """Make a row per cell, file and case; ``seen`` is the part that an image had in the runs, by SHA-256."""
        cells = [_cell_row(result) for result in results]
        rows = [_file_row(result, file, call, seen) for result in results for file, call in result.calls]
        return cls(pd.DataFrame(cells), pd.DataFrame(rows), case_table(results, priors))

    def most_doubtful_first(self) -> pd.DataFrame:
        """Return the cells in the order of expected errors, the most first; those without an image before all."""
        cells = self.cells.assign(expected_wrong=self.cells["expected_wrong"].astype(float))
        cells = cells.sort_values("expected_wrong", ascending=False, na_position="first", kind="stable")
        cells = cells.astype(object).where(cells.notna(), None)
        title = [" / ".join(filter(None, names)) for names in zip(cells["case"], cells["cell"], strict=True)]
        errors = []
        for expected, used in zip(cells["expected_wrong"], cells["used"], strict=True):
            errors.append("no image" if expected is None else f"about {expected:.1f} of {used} may be wrong")
        return cells.assign(title=title, errors=errors)

    def write(self, folder: Path) -> None:
        """Write them to a folder; that of cases where it has any."""
        write_csv(folder / "karyotypes.csv", self.cells, "%.6f")
        write_csv(folder / "chromosomes.csv", self.chromosomes, "%.6f")
        if len(self.cases):
            write_csv(folder / "cases.csv", self.cases, "%.6f")

    @property
    def case_titles(self) -> dict[str, str]:
        """The karyotype of each case of cases.csv with its doubt, in words."""
        titles = {}
        for case in self.cases.astype(object).where(self.cases.notna(), None).itertuples():
            said = f"{case.alone} of {counted(case.cells, 'cell')} {'says' if case.alone == 1 else 'say'} so alone"
            changed = case.changed and f"judged with the others, {case.changed}"
            apart = case.left_out and f"not clonal: {case.left_out}"
            brackets = BRACKETS if "[" in case.karyotype else None
            named = f"{case.karyotype}: {probabilities_in_words(case)}"
            words = (named, said, case.verdict, case.reason, changed, apart, brackets)
            titles[case.case] = "; ".join(filter(None, words))
        return titles

    @property
    def case_lines(self) -> list[str]:
        """The first cases, each on a line of the terminal, and how many more there are."""
        lines = []
        for case in self.cases[:MOST_CASES].itertuples():
            lines.append(f"{case.case}: {case.karyotype}, {case.verdict}; {probabilities_in_words(case)}")
        more = len(self.cases) - MOST_CASES
        return [*lines, f"and {more:,} more in cases.csv"] if more > 0 else lines

    @property
    def warnings(self) -> list[str]:
        """Which cells count as one, and which images the runs were trained on."""
        trained_on = self.chromosomes[self.chromosomes["seen"] == "train"]
        copies: list[str] = self.cases.attrs["copies"]
        if trained_on.empty:
            return copies
        cells = len(trained_on[["case", "cell"]].drop_duplicates())
        seen = f"the model was trained on {counted(len(trained_on), 'image')} of {counted(cells, 'cell')}"
        return [*copies, seen]

    @property
    def cell_lines(self) -> list[str]:
        """The cells, the most expected errors first, each on a line of the terminal."""
        lines = []
        for cell in self.most_doubtful_first().itertuples():
            refer = "refer" if cell.refer == "yes" else ""
            lines.append(f"{cell.errors:<31}{refer:<7}{cell.title}: {cell.karyotype or 'no karyotype'}")
        return lines

    def summary(self, thresholds: CellThresholds) -> list[str]:
        """Account for every cell and every file, and say above which numbers a cell is referred."""
        kinds = self.cells["kind"].fillna("without karyotype").str.replace("_", " ").value_counts()
        statuses = self.chromosomes["status"].value_counts().reindex(list(map(str, FileStatus)), fill_value=0)
        statuses.index = statuses.index.str.replace("_", " ")
        image = "cut-out" if BOX_COLUMNS[0] in self.chromosomes else "image"
        lines = [
            f"{counted(len(self.cells), 'cell')}: {_enumerate(kinds)}",
            f"{counted(len(self.chromosomes), image)}: {_enumerate(statuses)}",
            *note_lines(self.chromosomes["note"].dropna()),
            f"to be referred to an expert: {(self.cells['refer'] == 'yes').sum():,}",
        ]
        limits = zip(("expected errors", "mean distance"), astuple(thresholds), strict=False)
        above = [f"{words} {limit:.3g}" for words, limit in limits if limit is not None]
        lines.append(f"thresholds of referral, beside other reasons: {', '.join(above)}")
        if len(self.cases):
            settled = (self.cases["verdict"] == SETTLED).sum()
            lines.append(f"{counted(len(self.cases), 'case')}, {settled:,} of them settled: see cases.csv")
        return lines


def case_table(results: Sequence[CellResult], priors: KaryotypePriors) -> pd.DataFrame:
    """Return cases.csv: a row per case with a cell that has a karyotype; empty without such a case.

    The cells of a case decide together which constitution it has; ``changed`` names those that have another karyotype
    then than alone. Cells of a case with the same images count once; the sentences of the attribute ``copies`` say so.
    """
    copies = []
    cases: dict[str, dict[frozenset[str | None], CellResult]] = {}
    for result in results:
        if result.cell.case is not None and result.karyotype.candidates:
            images = frozenset(file.sha256 for file in result.files)
            first = cases.setdefault(result.cell.case, {}).setdefault(images, result)
            if first is not result:
                copies.append(f"{result.cell.title} has the same images as {first.cell.title}: they count as one cell")
    rows = [_case_row(case, list(cells.values()), priors) for case, cells in cases.items()]
    table = pd.DataFrame(rows, columns=list(CASE_COLUMNS))
    table.attrs["copies"] = copies
    return table


def _case_row(case: str, results: Sequence[CellResult], priors: KaryotypePriors) -> tuple[Any, ...]:
    """Return the values of CASE_COLUMNS."""
    cells = []
    for result in results:
        cell = CaseCell.of(result.cell.name, result.karyotype.candidates, priors, result.mean_distance)
        cells.append(replace(cell, unlike=result.unlike))
    verdict = case_verdict(cells, priors, results[0].thresholds)
    named, best, second = verdict.named, verdict.constitution, verdict.second
    likely = (best.iscn, best.probability, second.iscn, second.probability)
    said = ("look at the pictures", results[0].failed) if results[0].failed else (verdict.to_do, verdict.reason)
    changed = "; ".join(f"{cell}: {iscn}" for cell, iscn in verdict.changed.items())
    return (case, named.cells, named.iscn, *likely, verdict.alone, *said, named.not_clonal or None, changed or None)


def probabilities_in_words(case: Any) -> str:
    """Return how probable the constitution of a row of cases.csv is, which it names if the karyotype is another one."""
    first = "probability" if re.sub(r"\[\d+\]", "", case.karyotype) == case.constitution else case.constitution
    second = f"{case.second_constitution} {_probability(case.second_probability)}"
    return f"{first} {_probability(case.probability)}; next {second}"


def _cell_row(result: CellResult) -> dict[str, Any]:
    karyotype, named = result.karyotype, result.karyotype.karyotype
    reasons, task = result.reasons, result.task
    row: dict[str, Any] = {"case": result.cell.case, "cell": result.cell.name, "files": len(result.files)}
    statuses = Counter(file.status for file in result.files)
    for status in FileStatus:
        row[str(status)] = statuses[status]
    for prefix, candidate in zip_longest(RANKS, karyotype.candidates[: len(RANKS)]):
        row[f"{prefix}karyotype"] = candidate and candidate.karyotype.iscn
        row[f"{prefix}probability"] = candidate and candidate.probability
    return row | {
        "kind": named and named.kind,
        "doubtful": karyotype.doubtful,
        "expected_wrong": karyotype.expected_wrong if karyotype.calls else None,
        "mean_distance": result.mean_distance,
        OUT_OF_DISTRIBUTION: len(result.out_of_distribution) if result.distances else None,
        "refer": YES_OR_NO[bool(reasons)],
        "task": task,
        "reason": "; ".join(reasons) or None,
        "karyogram": result.karyogram,
    }


def _file_row(
    result: CellResult, file: CellFile, call: ChromosomeCall | None, seen: Mapping[str, str]
) -> dict[str, Any]:
    name = file.file.name
    row: dict[str, Any] = dict.fromkeys(FILE_COLUMNS)
    row |= {"case": result.cell.case, "cell": result.cell.name, "file": name}
    row |= {"status": str(file.status), "cause": file.cause, "note": file.note or None}
    if call is not None:
        row |= {"class": call.assigned, "doubtful": YES_OR_NO[call.doubtful]}
        row |= {name: getattr(call, name) for name in OF_CALL}
    if result.metaphase is not None:
        found = result.found[name]
        box = (found.box / result.metaphase.scale).round(1).tolist()  # in pixels of the picture itself
        row |= dict(zip(BOX_COLUMNS, (found.number, *box, found.probability), strict=True))
    row[OUT_OF_DISTRIBUTION] = result.distances.get(name)
    row["seen"] = seen.get(file.sha256 or "")
    row["sha256"] = file.sha256
    return row


def _enumerate(counts: pd.Series) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


@dataclass(frozen=True)
class PageFacts:
    """What the page says of all cells: ``title``, lines of text below it, warnings, and the threshold of referral."""

    title: str
    lines: Sequence[str]
    warnings: Sequence[str]
    refer_below: float


def write_karyotype_page(path: Path, tables: Tables, facts: PageFacts, results: Sequence[CellResult]) -> None:
    """Write the page; karyograms, and the metaphases and pictures of each cell are files below its folder."""
    shown: list[dict[str, Any]] = []
    for number, cell in tables.most_doubtful_first().iterrows():
        result = results[number]
        shown.append({**cell, "result": result, "overlays": overlays(result), "anchor": f"cell-{number}"})
    page = render(
        "cytogenetics.karyotyping",
        "karyotypes.html.j2",
        facts=facts,
        cells=shown,
        groups=_by_case(shown),
        cases=dict(zip(tables.cases["case"], tables.cases.fillna("").itertuples(), strict=True)),
        certainty=_probability,
        probabilities_in_words=probabilities_in_words,
        brackets=BRACKETS,
        ranks=len(RANKS),
        statuses=list(map(str, FileStatus)),
        more_style=template_file("cytogenetics.karyotyping", "karyotypes.css"),
    )
    write_text(path, page)


def _by_case(cells: Sequence[dict[str, Any]]) -> dict[str | None, list[dict[str, Any]]]:
    """Group cells by case, None where it is unknown, and number them as the page shows them."""
    groups: dict[str | None, list[dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault(cell["case"], []).append(cell)
    for number, cell in enumerate(chain.from_iterable(groups.values()), 1):
        cell["number"] = number
    return groups


def _probability(value: float) -> str:
    """Write a probability with two digits, without saying 1.00 or 0.00 of what is not certain."""
    if 0.005 <= value < 0.995:
        return f"{value:.2f}"
    return "> 0.99" if value > 0.5 else "< 0.01"


class Shape(NamedTuple):
    """A chromosome in a picture: a polygon, which has the same number in the other picture."""

    number: int
    points: str
    x: float
    y: float
    kind: str  # "sure", "doubt" or "left-out"
    text: str


class Overlay(NamedTuple):
    """A picture, its size in pixels, and what is drawn over it."""

    source: str
    width: int
    height: int
    shapes: list[Shape]
    text: str


def overlays(result: CellResult) -> list[Overlay]:
    """Return the metaphase of a cell and its karyogram; [] of single chromosomes and of what cannot be read."""
    metaphase = result.metaphase
    if metaphase is None or not metaphase.shape[0]:
        return []
    in_picture: list[Shape] = []
    in_karyogram: list[Shape] = []
    places = {} if result.drawn is None else result.drawn.places
    # The places in the karyogram are counted over the used files alone.
    row = -1
    for file, call in result.calls:
        found = result.found[file.file.name]
        in_picture.append(_shape(found.number, found.outline, file, call))
        row += call is not None
        if call is not None and row in places:
            _, x, y, width, height = places[row]
            box = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
            in_karyogram.append(_shape(found.number, box, file, call))
    height, width = metaphase.shape
    text = f"Metaphase {result.cell.title}: {len(in_picture)} boxes"
    drawn = [Overlay(f"{METAPHASES}/{result.stem}.png", width, height, in_picture, text)]
    if result.drawn is not None and result.karyogram:
        height, width = result.drawn.pixels.shape[:2]
        drawn.append(Overlay(result.karyogram, width, height, in_karyogram, f"Karyogram of {result.cell.title}"))
    return drawn


def _shape(number: int, points: np.ndarray, file: CellFile, call: ChromosomeCall | None) -> Shape:
    kind, text = "left-out", file.cause
    if call is not None:
        kind = "doubt" if call.doubtful or call.is_contradicted else "sure"
        text = f"{call.assigned}, probability {call.probability:.2f}"
    joined = " ".join(f"{x},{y}" for x, y in points.tolist())
    x, y = points[:, 0].mean(), points[:, 1].max()
    return Shape(number, joined, round(float(x), 1), round(float(y), 1), kind, f"{number}: {text}")
