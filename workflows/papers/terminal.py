"""Compared figures and the audit of claims for a terminal of 80 columns: a block per paper."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from common.cli import console, say
from common.errors import UserError
from common.files import write_csv
from common.text import counted
from evaluation.core.formats import interval
from evaluation.renderers import terminal
from evaluation.tables import Table
from workflows.papers.audit import audit
from workflows.papers.claims import printed_claims
from workflows.papers.measured import Measured
from workflows.papers.verdicts import (
    NOT_COMPARABLE,
    OFFICIAL,
    ComparedFigure,
    compare,
    compare_results,
    measure,
    to_frame,
)

METRIC_WORDS = {
    "f1_weighted": "weighted F1",
    "auc": "AUC",
    "epoch_loss": "loss of the epoch",
    "epoch_accuracy": "accuracy of the epoch",
}


def claims_text(compared: Sequence[ComparedFigure]) -> Group:
    """Return each experiment with its printed figures, ours, and the verdicts; of one without runs its headline."""
    blocks: list[RenderableType] = []
    for paper, of_paper in groupby(compared, key=lambda each: each.claim.paper):
        blocks.append(Text(f"paper {paper}", style="bold"))
        # The figures of one claim and one pair of measurements follow one another.
        for _, group in groupby(of_paper, key=lambda each: (each.claim.experiment, id(each.runs))):
            figures = list(group)
            first = figures[0]
            if first.is_measured:
                blocks += [_heading(first), Padding(_figures(figures), (0, 0, 0, 2)), Text()]
            else:
                words = _metric_words(first).removeprefix("test ").replace("validation", "val.")
                printed = first.figure.printed or "no"
                blocks.append(Text(f"{first.claim.experiment}  {printed} {words}  {first.reasons[-1]}"))
        blocks.append(Text())
    return Group(*blocks)


def _heading(first: ComparedFigure) -> Text:
    text = Text(f"{first.claim.experiment}, {first.claim.section}", style="bold")
    roles = (("as the paper", first.runs.as_paper), ("honest", first.runs.honest), ("split", first.runs.neither))
    for words, measured in roles:
        if measured:
            text.append(f"\n{words}, {_facts(measured)}", style="not bold")
    if first.claim.deviation:
        text.append(f"\nknown deviation: {first.claim.deviation}", style="not bold")
    return text


def _figures(figures: Sequence[ComparedFigure]) -> Group:
    """Draw the table of the figures, and below it the reasons why some or all cannot be compared, numbered."""
    numbers: dict[str, int] = {}
    rows = []
    for each in figures:
        verdict = each.verdict
        if verdict == NOT_COMPARABLE:
            found = [numbers.setdefault(reason, len(numbers) + 1) for reason in each.reasons]
            verdict = ", ".join(map(str, sorted(found)))
        ours = "-"
        if each.ours is not None:
            ours = interval(each.ours.value, each.ours.low, each.ours.high)
        honest = each.ours_honest and each.ours_honest.value
        rows.append((_metric_words(each), each.figure.printed or "-", ours, honest, verdict))
    notes = [f"{number} {reason}" for reason, number in numbers.items()]
    if notes:
        notes.insert(0, "not comparable:")
    return terminal(Table("", ("", "printed", "as the paper", "honest", "verdict"), tuple(rows), tuple(notes)))


def _metric_words(each: ComparedFigure) -> str:
    """Return part and metric of a figure, with its section where that is not the claim's."""
    figure = each.figure
    words = f"{figure.part} {METRIC_WORDS.get(figure.metric, figure.metric.replace('/', ' '))}"
    return words if figure.section == each.claim.section else f"{words}, {figure.section}"


def _facts(measured: Measured) -> str:
    """Return the data, the test images and the cost of a measurement."""
    images = "test images"
    if measured.protocol == "image" and measured.data in OFFICIAL:
        images = "official test images"
    elif measured.protocol == "image" and measured.subjects is None:
        images = "images of unknown subjects"
    parts = [f"{measured.data}: {measured.total('test'):,} {images}", counted(measured.fold_count, "fold")]
    parts.append(counted(max(len(measured.seeds.split()), 1), "seed"))
    if measured.images_seen is None or measured.minutes is None:
        return ", ".join([*parts, "cost not recorded"])
    return ", ".join([*parts, f"{measured.images_seen:,.0f} images seen", f"{measured.minutes:.1f} min"])


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
    return "differs" if kind == "twice" else "does not follow"


def show_comparison(paths: Sequence[Path], results: Path, papers: tuple[str, ...], csv: Path | None) -> None:
    """Print figures beside those of runs (none named: of the tables of results), and write them as a table.

    Of papers that are named these are all figures, else with runs only those of their experiments.

    Raises:
        UserError: None of the runs is of an experiment of the papers; see ``verdicts.compare_runs``.
    """
    if paths:
        compared = _compare_paths(paths, results, papers)
    else:
        compared = compare_results(results, papers)
    table = to_frame(compared)
    console.print(claims_text(compared))
    missing = sum(not each.is_measured for each in compared)
    counts = _counts(table["verdict"])
    say(f"{counts} ({missing} of them not measured here)" if missing else counts)
    _write(csv, table)


def _compare_paths(paths: Sequence[Path], results: Path, papers: tuple[str, ...]) -> list[ComparedFigure]:
    """Compare runs and tables, and name those that are of no claim."""
    measured = measure(paths)
    compared = compare(measured, printed_claims(results, papers))
    wanted = f"paper {' or '.join(papers)}" if papers else "a paper"
    of_papers = [each for each in compared if each.is_measured]
    if not of_papers:
        raise UserError(f"none of these runs is an experiment of {wanted}: claims.csv in {results} names them")
    used = {id(run) for each in compared for run in (each.runs.as_paper, each.runs.honest, each.runs.neither)}
    others = dict.fromkeys(each.label for each in measured if id(each) not in used)
    if others:
        say(f"not an experiment of {wanted}, left out: {', '.join(others)}")
    return compared if papers else of_papers


def show_audit(results: Path, papers: tuple[str, ...], csv: Path | None) -> None:
    """Print what the audit of the printed figures found, or only what does not follow, and write it as a table."""
    table = audit(results, papers)
    console.print(audit_text(table))
    say(_counts(table["kind"].map({"twice": "differ"}).fillna("do not follow").mask(table["follows"], "follow")))
    _write(csv, table)


def _counts(verdicts: pd.Series) -> str:
    """Return how often each verdict occurs."""
    counts = verdicts.value_counts().items()
    return f"{len(verdicts)} printed figures: {', '.join(f'{count} {verdict}' for verdict, count in counts)}"


def _write(csv: Path | None, table: pd.DataFrame) -> None:
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")
