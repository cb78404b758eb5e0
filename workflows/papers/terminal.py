"""Compared figures and the audit of claims as text that fits a terminal of 80 columns: a block per paper."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from common.cli import console, say
from common.errors import UserError
from common.files import write_csv
from common.text import counted
from evaluation.core.formats import interval, number
from workflows.papers.audit import audit
from workflows.papers.claims import printed_claims
from workflows.papers.measured import Measured
from workflows.papers.verdicts import (
    HIGHER,
    LOWER,
    NOT_COMPARABLE,
    OFFICIAL,
    REPRODUCED,
    ComparedFigure,
    compare,
    compare_results,
    measure,
    to_frame,
)

COLOURS = {REPRODUCED: "green", LOWER: "red", HIGHER: "yellow"}
METRIC_WORDS = {
    "f1_weighted": "weighted F1",
    "auc": "AUC",
    "epoch_loss": "loss of the epoch",
    "epoch_accuracy": "accuracy of the epoch",
}
Figures = Sequence[ComparedFigure]  # all figures of a claim and of one pair of measurements


def claims_text(compared: Sequence[ComparedFigure]) -> Group:
    """Return each experiment with its printed figures, ours, and the verdicts; of one without runs its headline."""
    blocks: list[Text | Table | Padding] = []
    for paper, of_paper in groupby(compared, key=lambda each: each.claim.paper):
        blocks.append(Text(f"paper {paper}", style="bold"))
        for figures in by_runs(of_paper):
            first = figures[0]
            if first.is_measured:
                blocks += [_heading(first), _figures(figures), Text()]
            else:
                blocks.append(Text(f"{first.claim.experiment}  {claimed(first)}  {first.reasons[-1]}"))
        blocks.append(Text())
    return Group(*blocks)


def by_runs(compared: Iterator[ComparedFigure] | Sequence[ComparedFigure]) -> list[Figures]:
    """Gather the figures of one claim and one pair of measurements, which follow one another."""
    key = lambda each: (each.claim.experiment, id(each.runs))  # noqa: E731
    return [list(figures) for _, figures in groupby(compared, key=key)]


def _heading(first: ComparedFigure) -> Padding | Text:
    text = Text(f"{first.claim.experiment}, {first.claim.section}", style="bold")
    roles = (("as the paper", first.runs.as_paper), ("honest", first.runs.honest), ("split", first.runs.neither))
    for words, measured in roles:
        if measured:
            text.append(f"\n{words}, {facts(measured)}", style="not bold")
    if first.claim.deviation:
        text.append(f"\nknown deviation: {first.claim.deviation}", style="not bold")
    return text


def _figures(figures: Figures) -> Padding:
    """Return the table of the figures, and below it the reasons why some or all cannot be compared, numbered."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in ("", "printed", "as the paper", "honest", "verdict"):
        table.add_column(name, no_wrap=name != "", justify="left" if name in ("", "verdict") else "right")
    numbers: dict[str, int] = {}
    for each in figures:
        honest = each.ours_honest
        table.add_row(
            metric_text(each),
            each.figure.printed or "-",
            "-" if each.ours is None else interval(each.ours.value, each.ours.low, each.ours.high),
            number(honest.value if honest else None),
            verdict_text(each, numbers),
        )
    lines = [f"{number} {reason}" for reason, number in numbers.items()]
    notes = Text("\n".join(["not comparable:", *lines]) if lines else "", style="dim")
    return Padding(Group(table, notes) if lines else table, (0, 0, 0, 2))


def verdict_text(each: ComparedFigure, numbers: dict[str, int]) -> Text:
    """Return the verdict, or the numbers of the reasons why there is none; new ones are added to ``numbers``."""
    if each.verdict == NOT_COMPARABLE:
        found = [numbers.setdefault(reason, len(numbers) + 1) for reason in each.reasons]
        return Text(", ".join(map(str, sorted(found))))
    return Text(each.verdict, style=COLOURS[each.verdict])


def metric_text(each: ComparedFigure) -> str:
    """Return part and metric of a figure, with its section where that is not the claim's."""
    figure = each.figure
    words = f"{figure.part} {METRIC_WORDS.get(figure.metric, figure.metric.replace('/', ' '))}"
    return words if figure.section == each.claim.section else f"{words}, {figure.section}"


def audit_text(table: pd.DataFrame) -> Group:
    """Return what ``audit.audit`` found: what does not follow in full, what follows in a line."""
    blocks: list[Text | Padding] = []
    for paper, rows in table.groupby("paper"):
        blocks.append(Text(f"paper {paper}", style="bold"))
        for row in rows.to_dict("records"):
            blocks.append(Text(f"{row['kind']}, {row['section']}: {row['what']}"))
            printed = Text(f"printed {row['printed']}; ")
            if row["follows"]:
                printed.append("follows", style="green")
            else:
                printed.append(f"recomputed {row['recomputed']}; " * bool(row["recomputed"]))
                printed.append(failure(row["kind"]), style="red")
            if row["remark"]:
                printed.append(f"; {row['remark']}")
            blocks.append(Padding(printed, (0, 0, 0, 4)))
        blocks.append(Text())
    return Group(*blocks)


def failure(kind: str) -> str:
    """Return the verdict on a check that fails: a figure printed twice differs, others do not follow."""
    if kind == "twice":
        return "differs"
    return "does not follow"


def claimed(each: ComparedFigure) -> str:
    """Return a printed figure and its metric; of test images, where nothing else is said."""
    words = metric_text(each).removeprefix("test ").replace("validation", "val.")
    return f"{each.figure.printed or 'no'} {words}"


def facts(measured: Measured) -> str:
    """Return the data, the test images and the cost of a measurement."""
    images = "test images"
    if measured.protocol == "image" and measured.data in OFFICIAL:
        images = "official test images"
    elif measured.protocol == "image" and measured.subjects is None:
        images = "images of unknown subjects"
    parts = [f"{measured.data}: {measured.total('test'):,} {images}"]
    parts += [counted(max(len(names.split()), 1), what) for names, what in _runs(measured)]
    if measured.images_seen is None or measured.minutes is None:
        return ", ".join([*parts, "cost not recorded"])
    return ", ".join([*parts, f"{measured.images_seen:,.0f} images seen", f"{measured.minutes:.1f} min"])


def _runs(measured: Measured) -> tuple[tuple[str, str], ...]:
    return (measured.folds, "fold"), (measured.seeds, "seed")


def counts_text(verdicts: pd.Series, what: str) -> str:
    """Return how often each verdict occurs."""
    counts = [f"{count} {verdict}" for verdict, count in verdicts.value_counts().items()]
    return f"{len(verdicts)} {what}: {', '.join(counts)}"


def show_comparison(paths: Sequence[Path], results: Path, papers: tuple[str, ...], csv: Path | None) -> None:
    """Print figures beside those of runs (none named: of the tables of results), and write them as a table.

    Of papers that are named these are all figures, else with runs only those of their experiments.

    Raises:
        UserError: None of the runs is of an experiment of the papers; see ``reproduction.compare_runs``.
    """
    if paths:
        measured = measure(paths)
        compared = compare(measured, printed_claims(results, papers))
        wanted = f"paper {' or '.join(papers)}" if papers else "a paper"
        of_papers = [each for each in compared if each.is_measured]
        if not of_papers:
            raise UserError(f"none of these runs is an experiment of {wanted}: claims.csv in {results} names them")
        _name_others(measured, of_papers, wanted)
        if not papers:
            compared = of_papers
    else:
        compared = compare_results(results, papers)
    table = to_frame(compared)
    console.print(claims_text(compared))
    missing = sum(not each.is_measured for each in compared)
    counts = counts_text(table["verdict"], "printed figures")
    say(f"{counts} ({missing} of them not measured here)" if missing else counts)
    _write(csv, table)


def _name_others(measured: Sequence[Measured], compared: Sequence[ComparedFigure], wanted: str) -> None:
    """Name the measurements that are of no claim."""
    used = {id(run) for each in compared for run in (each.runs.as_paper, each.runs.honest, each.runs.neither)}
    others = dict.fromkeys(each.label for each in measured if id(each) not in used)
    if others:
        say(f"not an experiment of {wanted}, left out: {', '.join(others)}")


def show_audit(results: Path, papers: tuple[str, ...], csv: Path | None, failed: bool) -> None:
    """Print what the audit of the printed figures found, or only what does not follow, and write it as a table."""
    table = audit(results, papers)
    console.print(audit_text(table[~table["follows"]] if failed else table))
    verdicts = table["kind"].map({"twice": "differ"}).fillna("do not follow").mask(table["follows"], "follow")
    say(counts_text(verdicts, "printed figures"))
    _write(csv, table)


def _write(csv: Path | None, table: pd.DataFrame) -> None:
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")
