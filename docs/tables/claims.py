"""Tables of the papers' claims: beside our measurements, and what does not follow from what the papers print."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from docs.tables.builder import split
from evaluation.papers.audit import audit
from evaluation.papers.confusion import contradictions, printed_confusion, printed_figures
from evaluation.papers.reproduction import AS_PAPER, HONEST, compare, read_claims
from evaluation.papers.terminal import budget, claimed, failure, figure


def claims(*papers: str) -> Callable[[Path], str]:
    """Return a function that makes the table of some papers' claims, with the reasons numbered below it."""

    def table(results: Path) -> str:
        lines = []
        numbers: dict[str, int] = {}
        for row in compare(results, papers).to_dict("records"):
            marks = sorted(numbers.setdefault(reason, len(numbers) + 1) for reason in row["reasons"])
            verdict = ", ".join([row["verdict"], *map(str, marks)])
            line = {"experiment": f"`{row['experiment']}`", "section": row["section"]}
            line |= {"claimed": claimed(row), "verdict": verdict}
            measured = []
            for role, words in ((AS_PAPER, "as the paper"), (HONEST, "honest")):
                if pd.notna(row[f"{role}_value"]):
                    measured.append(f"{words}, {row['measured_on']}: {figure(row, role)}; {budget(row, role)}")
            lines.append(line | {"measured": ". ".join(measured)})
        reasons = [f"{number}. {reason}" for reason, number in numbers.items()]
        found = pd.DataFrame(lines)
        measured_rows = [f"- {row['experiment']}: {row['measured']}" for row in lines if row["measured"]]
        blocks = [split(found.drop(columns="measured")), "\n".join(reasons), "\n".join(measured_rows)]
        return "\n\n".join(block for block in blocks if block)

    return table


def confusion_matrices(results: Path) -> str:
    """Return what paper 001, table 5.1, claims of the test images, and what its confusion matrices contradict."""
    sizes = pd.read_csv(results / "claims" / "data.csv").set_index(["dataset", "split"])["test"]
    lines = []
    for claim in read_claims(results, ("001",)).to_dict("records"):
        figures = printed_figures(claim)
        confusion = printed_confusion(claim)
        if confusion:
            wrong = contradictions(figures, confusion, int(sizes[claim["dataset"], claim["split"]]))
        else:
            wrong = ["no matrix is printed"]
        line = {"experiment": f"`{claim['experiment']}`"}
        for name in ("accuracy", "precision", "recall", "auc"):
            line[name] = figures.get(name, "-")
        line |= {"confusion matrix": str(confusion or "-"), "by the matrix": "; ".join(wrong) or "agrees"}
        lines.append(line | {"split": claim["split"]})
    return split(pd.DataFrame(lines))


def audit_failures(results: Path) -> str:
    """Return every printed figure that does not follow from the others, as a list."""
    lines = []
    for row in audit(results).query("~follows").to_dict("records"):
        parts = [f"printed {row['printed']}"]
        if row["recomputed"]:
            parts.append(f"recomputed {row['recomputed']}")
        parts.append(failure(row["kind"]))
        if row["remark"]:
            parts.append(row["remark"])
        lines.append(f"- Paper {row['paper']}, {row['section']}, {row['what']}: {'; '.join(parts)}")
    return "\n".join(lines)


def audit_tally(results: Path) -> str:
    """Return how many printed figures were recomputed, and how many of them do not follow."""
    lines = []
    for (paper, kind), group in audit(results).groupby(["paper", "kind"], sort=False)["follows"]:
        failed = len(group) - int(group.sum())
        lines.append({"paper": paper, "kind of check": kind, "figures": f"{len(group)}", "failed": f"{failed}"})
    return split(pd.DataFrame(lines))
