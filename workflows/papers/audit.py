"""Audit of the claims: printed figures, confusion matrices among them, recomputed from others that the paper prints."""

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from evaluation.claims import read_claims, read_table
from evaluation.intervals.exact import share
from workflows.papers.claims import VALIDATION

CONFIDENCE = 0.95
METRICS = ("accuracy", "precision", "recall")
COLUMNS = ("paper", "section", "what", "kind", "printed", "recomputed", "follows", "remark")
Row = dict[str, str]  # of a table of printed figures
Tables = Mapping[str, pd.DataFrame]


class Confusion(NamedTuple):
    """The image counts of a confusion matrix of two classes."""

    tp: int
    fp: int
    tn: int
    fn: int

    def __str__(self) -> str:
        return f"{self.tp:,} TP, {self.fp:,} FP, {self.tn:,} TN, {self.fn:,} FN"

    @property
    def images(self) -> int:
        """The number of images."""
        return sum(self)

    @property
    def metrics(self) -> dict[str, Fraction]:
        """Accuracy, precision and recall, exactly; one without a denominator is left out."""
        parts = {
            "accuracy": (self.tp + self.tn, self.images),
            "precision": (self.tp, self.tp + self.fp),
            "recall": (self.tp, self.tp + self.fn),
        }
        return {name: Fraction(*part) for name, part in parts.items() if part[1]}


def printed_confusion(claim: Mapping[str, str]) -> Confusion | None:
    """Return the matrix in the columns tp, fp, tn and fn of a row of results/claims.csv; None where none is printed."""
    if not claim["tp"]:
        return None
    return Confusion(int(claim["tp"]), int(claim["fp"]), int(claim["tn"]), int(claim["fn"]))


def printed_figures(claim: Mapping[str, str]) -> dict[str, str]:
    """Return the accuracy of a row of results/claims.csv and the precision, recall and AUC beside it, as printed."""
    figures = {"accuracy": claim["claimed"]}
    for name in ("precision", "recall", "auc"):
        if claim[name]:
            figures[name] = claim[name]
    return figures


def follows(figure: str, value: Fraction) -> bool:
    """Return whether a printed figure is the value, rounded or truncated to the figure's digits."""
    digits = Decimal(figure)
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return any(exact.quantize(digits, rounding=how) == digits for how in (ROUND_HALF_UP, ROUND_DOWN))


def contradictions(figures: Mapping[str, str], confusion: Confusion, images: int) -> list[str]:
    """Return, in words, which printed ``figures`` and number of test images do not follow from a confusion matrix."""
    wrong = []
    if confusion.images != images:
        wrong.append(f"{confusion.images} of {images} test images")
    for name, value in confusion.metrics.items():
        if name in figures and not follows(figures[name], value):
            wrong.append(f"{name} {float(value):.3f}")
    return wrong


def audit(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Recompute every printed figure that follows from others.

    Kinds: a ``confusion matrix`` against accuracy, precision and recall; ``precision and recall`` of both classes,
    from which the matrix follows, since a recall is a whole number of the class's images; a ``share`` that must be a
    whole number of images (the GRIM test; Brown and Heathers, Social Psychological and Personality Science 8(4),
    2017); a ``sum``; a figure that is printed ``twice``; a list of ``wrong cases``, no longer than those of a matrix;
    and how many images are ``missed by k`` models.

    Args:
        results: The folder of measured results, with ``claims.csv`` and ``claims/``.
        papers: Such as ("004",); empty: all.

    Returns:
        A row per check, in COLUMNS; ``follows`` is bool, the others are text.

    Raises:
        UserError: A table is missing, or no claim is of a paper that is named.
    """
    read_claims(results, papers)  # refuses unknown papers
    tables = {"claims": read_claims(results)}
    for name in sorted({"data", *CHECKS} - {"claims"}):
        tables[name] = read_table(results, name)
    rows = []
    for name, (kind, check) in CHECKS.items():
        for row in tables[name].to_dict("records"):
            for found in check(row, tables):
                rows.append({**row, "remark": row.get("remark", ""), "kind": kind, **found})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if papers:
        table = table[table["paper"].isin(papers)]
    return table.sort_values("paper", kind="stable", ignore_index=True)


def reconstruct(recall_negative: str, recall_positive: str, negatives: int, positives: int) -> list[Confusion]:
    """Return every confusion matrix of so many images that has two printed recalls, rounded or truncated."""
    both = product(_whole(recall_negative, negatives), _whole(recall_positive, positives))
    return [Confusion(tp, negatives - tn, tn, positives - tp) for tn, tp in both]


def weighted_f1(confusion: Confusion) -> Fraction:
    """Return the F1 of both classes, weighted by their images, exactly."""
    wrong = confusion.fp + confusion.fn
    total = Fraction(0)
    for right, missed in ((confusion.tp, confusion.fn), (confusion.tn, confusion.fp)):
        if right:
            total += Fraction(2 * right, 2 * right + wrong) * (right + missed)
    return total / confusion.images


def _matrix(claim: Row, tables: Tables) -> Iterator[dict[str, Any]]:
    confusion = printed_confusion(claim)
    if confusion is None:
        return
    sizes = tables["data"].set_index(["dataset", "split"])["test"]
    figures = printed_figures(claim)
    wrong = contradictions(figures, confusion, int(sizes[claim["dataset"], claim["split"]]))
    values = ", ".join(f"{name} {float(value):.3f}" for name, value in confusion.metrics.items())
    yield {
        "what": claim["experiment"],
        "printed": ", ".join(f"{name} {figures[name]}" for name in METRICS if name in figures),
        "recomputed": f"{confusion}: {values}",
        "follows": not wrong,
        "remark": "; ".join(wrong),
    }


def _precision_and_recall(row: Row, _tables: Tables) -> Iterator[dict[str, Any]]:
    matrices = _of_recalls(row)
    fitting = []
    for matrix in matrices:
        if all(follows(row[name], value) for name, value in _values(matrix).items()):
            fitting.append(matrix)
    recomputed = "no matrix has these recalls"
    for matrix in (fitting or matrices)[:1]:
        right = share(matrix.tp + matrix.tn, matrix.images, CONFIDENCE)
        values = [f"{name.replace('_', ' ')} {float(value):.4f}" for name, value in _values(matrix).items()]
        values.append(f"accuracy {right.value:.4f} ({right.low:.3f} to {right.high:.3f})")
        recomputed = f"{matrix}: {', '.join(values)}"
    yield {
        "what": row["model"],
        "printed": f"precision {row['precision_negative']} and {row['precision_positive']}, recall "
        f"{row['recall_negative']} and {row['recall_positive']}, weighted F1 {row['f1_weighted']}",
        "recomputed": recomputed,
        "follows": bool(fitting),
    }


def _share(row: Row, tables: Tables) -> Iterator[dict[str, Any]]:
    """Check validation accuracies: those of training are means over the batches of an epoch."""
    if (row["part"], row["metric"]) != (VALIDATION, "accuracy"):
        return
    claims = tables["claims"]
    claim = claims[claims["experiment"] == row["experiment"]].iloc[0]
    sizes = tables["data"].set_index(["dataset", "split"])[VALIDATION]
    images = int(sizes[claim["dataset"], claim["split"]])
    counts = _whole(row["figure"], images)
    text = " or ".join(f"{count:,}" for count in counts) or "no whole number"
    yield {
        "what": f"{row['experiment']}, validation accuracy",
        "printed": row["figure"],
        "recomputed": f"{text} of {images:,} images",
        "follows": bool(counts),
    }


def _sum(row: Row, _tables: Tables) -> Iterator[dict[str, Any]]:
    parts = [int(part) for part in row["parts"].split()]
    yield {
        "printed": f"{' + '.join(f'{part:,}' for part in parts)} = {int(row['total']):,}",
        "recomputed": f"{sum(parts):,}",
        "follows": sum(parts) == int(row["total"]),
    }


def _twice(row: Row, _tables: Tables) -> Iterator[dict[str, Any]]:
    yield {
        "section": f"{row['place']}; {row['other_place']}",
        "printed": f"{row['figure']}; {row['other_figure']}",
        "recomputed": "",
        "follows": Fraction(row["figure"]) == Fraction(row["other_figure"]),
    }


def _wrong_cases(row: Row, tables: Tables) -> Iterator[dict[str, Any]]:
    claims = tables["claims"]
    own = claims[(claims["paper"] == row["paper"]) & claims["experiment"].str.contains(row["network"])]
    matrices = [matrix for matrix in map(printed_confusion, own.to_dict("records")) if matrix]
    false_positives = int(row["false_positives"])
    false_negatives = int(row["false_negatives"])
    yield {
        "what": f"wrong cases of {row['network']}",
        "printed": f"{false_positives} FP, {false_negatives} FN",
        "recomputed": "at most, by its matrices: " + "; ".join(f"{one.fp} FP, {one.fn} FN" for one in matrices),
        # A paper that lists some of its wrong cases may have more of them, not fewer.
        "follows": any(false_positives <= one.fp and false_negatives <= one.fn for one in matrices),
    }


def _missed(row: Row, tables: Tables) -> Iterator[dict[str, Any]]:
    """Check the images missed by one and by all models against the errors of each, and what each alone gets right."""
    by_one = int(row["missed_by_one"])
    by_all = int(row["missed_by_all"])
    alone = range(int(row["alone_right_least"]), int(row["alone_right_most"]) + 1)
    choices = []
    for model in row["models"].split():
        table = tables["per_class"]
        errors = []
        for recalls in table[(table["paper"] == row["paper"]) & (table["model"] == model)].to_dict("records"):
            errors += [matrix.fp + matrix.fn for matrix in _of_recalls(recalls)]
        choices.append(errors)
    for counts in product(*choices):  # several where a model is printed with two results
        # Of four models: all errors are those of images missed by one, by two, by three and by all four.
        left = sum(counts) - by_one - 4 * by_all
        fits = []
        for three in alone:
            two, rest = divmod(left - 3 * three, 2)
            if two >= 0 and not rest:
                fits.append(f"{two} missed by two, {three} by three")
        yield {
            "what": f"four models with {', '.join(map(str, counts))} errors",
            "printed": f"{by_one} missed by one, {by_all} by all; {alone[0]} to {alone[-1]} right by one alone",
            "recomputed": "; or ".join(fits) or "none fits",
            "follows": bool(fits),
        }


# Name of a table -> kind of its checks, and the function that checks a row.
CHECKS: dict[str, tuple[str, Callable[[Row, Tables], Iterator[dict[str, Any]]]]] = {
    "claims": ("confusion matrix", _matrix),
    "per_class": ("precision and recall", _precision_and_recall),
    "missed": ("missed by k", _missed),
    "figures": ("share", _share),
    "sums": ("sum", _sum),
    "twice": ("twice", _twice),
    "wrong_cases": ("wrong cases", _wrong_cases),
}


def _of_recalls(row: Row) -> list[Confusion]:
    return reconstruct(row["recall_negative"], row["recall_positive"], int(row["negatives"]), int(row["positives"]))


def _values(matrix: Confusion) -> dict[str, Fraction]:
    """Return what is printed beside the recalls; a precision without predictions is left out."""
    values = {}
    parts = {"precision_negative": (matrix.tn, matrix.fn), "precision_positive": (matrix.tp, matrix.fp)}
    for name, (right, wrong) in parts.items():
        if right + wrong:
            values[name] = Fraction(right, right + wrong)
    return {**values, "f1_weighted": weighted_f1(matrix)}


def _whole(figure: str, images: int) -> list[int]:
    """Return the counts of images that are a printed share of them."""
    near = round(Fraction(figure) * images)
    step = Fraction(images, 10 ** len(figure.partition(".")[2]))  # a unit of the last digit
    reach = int(step) + 1
    counts = range(max(near - reach, 0), min(near + reach, images) + 1)
    return [count for count in counts if follows(figure, Fraction(count, images))]
