"""Claims and their audit as text that fits a terminal of 80 columns: a block per paper."""

import pandas as pd
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluation.core.formats import interval
from evaluation.papers.reproduction import AS_PAPER, HONEST, NOT_REACHED, OFFICIAL, REACHED, Record

COLOURS = {REACHED: "green", NOT_REACHED: "red"}
ROLES = {AS_PAPER: "split as the paper", HONEST: "honest split"}
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
            marks = sorted(numbers.setdefault(reason, len(numbers) + 1) for reason in row["reasons"])
            line = Text(f"{row['experiment']}  {claimed(row)}  ")
            line.append(row["verdict"], style=COLOURS.get(row["verdict"], ""))
            line.append(f" ({', '.join(map(str, marks))})" if marks else "")
            blocks.append(line)
            for role, words in ROLES.items():
                if pd.notna(row[f"{role}_value"]):
                    text = f"{words}, {row['measured_on']}: {figure(row, role)}; {budget(row, role)}"
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


def figure(row: Record, role: str) -> str:
    """Return our value with its interval and the number of images; of a split by images also their kind."""
    value = interval(row[f"{role}_value"], row[f"{role}_low"], row[f"{role}_high"])
    if row[f"{role}_protocol"] != "image":
        images = "images"
    elif row["measured_on"] in OFFICIAL:
        images = "official test images"
    else:
        images = "images of unknown subjects"
    return f"{value}, {row[f'{role}_images']:,.0f} {images}"


def budget(row: Record, role: str) -> str:
    """Return folds and seeds, and the images and minutes of a run."""
    parts = []
    for name in ("fold", "seed"):
        count = max(len(row[f"{role}_{name}s"].split()), 1)
        parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    if pd.isna(row[f"{role}_images_seen"]):
        parts.append("cost not recorded")
    else:
        parts.append(f"{row[f'{role}_images_seen']:,.0f} images seen, {row[f'{role}_minutes']:.1f} min")
    return ", ".join(parts)


def counts_text(verdicts: pd.Series, what: str) -> str:
    """Return how often each verdict occurs."""
    counts = [f"{count} {verdict}" for verdict, count in verdicts.value_counts().items()]
    return f"{len(verdicts)} {what}: {', '.join(counts)}"
