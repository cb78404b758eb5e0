"""Claims and their audit as text that fits a terminal of 80 columns: a block per paper."""

import pandas as pd
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from common.text import counted
from evaluation.core.formats import interval
from evaluation.papers.reproduction import AS_PAPER, COPIED, HONEST, NOT_REACHED, OFFICIAL, REACHED, Record

COLOURS = {REACHED: "green", NOT_REACHED: "red"}
METRIC_WORDS = {"test_weighted_f1": "weighted F1", "test_accuracy": "accuracy", "val_accuracy": "val. accuracy"}


def claims_text(table: pd.DataFrame) -> Group:
    """Return what ``reproduction.compare`` found: each claim, our measurements of it, and the verdict.

    Reasons are numbered, paper by paper, and listed below the claims.
    """
    blocks: list[Text | Table | Padding] = []
    for paper, rows in table.groupby("paper"):
        blocks.append(Text(f"paper {paper}", style="bold"))
        numbers: dict[str, int] = {}
        for row in rows.to_dict("records"):
            line = Text(f"{row['experiment']}  {claimed(row)}  ")
            line.append(row["verdict"], style=COLOURS.get(row["verdict"], ""))
            marks = ", ".join(reason_numbers(row, numbers))
            line.append(f" ({marks})" if marks else "")
            blocks.append(line)
            for text in measurements(row, "split as the paper", "honest split"):
                blocks.append(Padding(Text(text), (0, 0, 0, 4)))
        reasons = Table.grid(padding=(0, 1))
        for reason, number in numbers.items():
            reasons.add_row(Text(f"  {number:>2}"), Text(reason))
        blocks += [reasons, Text()]
    return Group(*blocks)


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


def claimed(row: Record) -> str:
    """Return the claimed figure and its metric."""
    return f"{row['claimed'] or 'no'} {METRIC_WORDS[row['metric']]}"


def reason_numbers(row: Record, numbers: dict[str, int]) -> list[str]:
    """Return the numbers of a claim's reasons; new ones are added to ``numbers``, the numbers by reason."""
    return [str(number) for number in sorted(numbers.setdefault(reason, len(numbers) + 1) for reason in row["reasons"])]


def measurements(row: Record, as_paper: str, honest: str) -> list[str]:
    """Return our measurements of a claim, of either split that was measured: value, images and cost of the runs."""
    lines = []
    for role, words in ((AS_PAPER, as_paper), (HONEST, honest)):
        ours = {name: row[f"{role}_{name}"] for name in COPIED}
        if pd.isna(ours["value"]):
            continue
        images = "images"
        if ours["protocol"] == "image":
            images = "official test images" if row["measured_on"] in OFFICIAL else "images of unknown subjects"
        parts = [f"{ours['images']:,.0f} {images}; {_count(ours['folds'], 'fold')}", _count(ours["seeds"], "seed")]
        cost = "cost not recorded"
        if pd.notna(ours["images_seen"]):
            cost = f"{ours['images_seen']:,.0f} images seen, {ours['minutes']:.1f} min"
        value = interval(ours["value"], ours["low"], ours["high"])
        lines.append(", ".join([words, f"{row['measured_on']}: {value}", *parts, cost]))
    return lines


def _count(names: str, what: str) -> str:
    return counted(max(len(names.split()), 1), what)


def counts_text(verdicts: pd.Series, what: str) -> str:
    """Return how often each verdict occurs."""
    counts = [f"{count} {verdict}" for verdict, count in verdicts.value_counts().items()]
    return f"{len(verdicts)} {what}: {', '.join(counts)}"
