"""Audit of the claims: printed figures recomputed from others that the paper prints."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path

import pandas as pd

from common.errors import UserError
from evaluation.intervals.exact import share
from evaluation.papers.confusion import METRICS, Confusion, contradictions, follows, printed_confusion, printed_figures
from evaluation.papers.reproduction import read_claims

CONFIDENCE = 0.95
COLUMNS = ("paper", "section", "what", "kind", "printed", "recomputed", "follows", "remark")
Row = dict[str, str | bool]


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
        A row per check, COLUMNS: the place in the paper, what is checked, ``printed``, ``recomputed``, ``follows``
        (bool) and a ``remark``.

    Raises:
        UserError: A table is missing, or no claim is of a paper that is named.
    """
    read_claims(results, papers)  # refuses unknown papers
    rows: list[Row] = []
    for check in CHECKS:
        rows += check(Path(results))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).fillna({"remark": ""})
    if papers:
        table = table[table["paper"].isin(papers)]
    return table.sort_values("paper", kind="stable", ignore_index=True)


def reconstruct(recall_negative: str, recall_positive: str, negatives: int, positives: int) -> list[Confusion]:
    """Return every confusion matrix that has two printed recalls, rounded or truncated; [] where there is none.

    Args:
        recall_negative: As printed, such as "0.8376".
        recall_positive: As printed.
        negatives: Images of the negative class.
        positives: Images of the positive class.
    """
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


def _matrices(results: Path) -> Iterator[Row]:
    sizes = _read(results, "data").set_index(["dataset", "split"])["test"]
    for claim in read_claims(results).to_dict("records"):
        confusion = printed_confusion(claim)
        if confusion:
            figures = printed_figures(claim)
            wrong = contradictions(figures, confusion, int(sizes[claim["dataset"], claim["split"]]))
            values = ", ".join(f"{name} {float(value):.3f}" for name, value in confusion.metrics.items())
            yield {
                **_place(claim, claim["experiment"], "confusion matrix"),
                "printed": ", ".join(f"{name} {figures[name]}" for name in METRICS if name in figures),
                "recomputed": f"{confusion}: {values}",
                "follows": not wrong,
                "remark": "; ".join(wrong),
            }


def _per_class(results: Path) -> Iterator[Row]:
    for row in _read(results, "per_class").to_dict("records"):
        matrices = _of_recalls(row)
        fitting = [matrix for matrix in matrices if _fits(row, matrix)]
        if matrices:
            recomputed = _with_metrics((fitting or matrices)[0])
        else:
            recomputed = "no matrix has these recalls"
        yield {
            **_place(row, row["model"], "precision and recall"),
            "printed": f"precision {row['precision_negative']} and {row['precision_positive']}, recall "
            f"{row['recall_negative']} and {row['recall_positive']}, weighted F1 {row['f1_weighted']}",
            "recomputed": recomputed,
            "follows": bool(fitting),
        }


def _shares(results: Path) -> Iterator[Row]:
    for row in _read(results, "shares").to_dict("records"):
        counts = _whole(row["figure"], int(row["images"]))
        text = " or ".join(f"{count:,}" for count in counts) or "no whole number"
        yield {
            **_place(row, row["what"], "share"),
            "printed": row["figure"],
            "recomputed": f"{text} of {int(row['images']):,} images",
            "follows": bool(counts),
        }


def _sums(results: Path) -> Iterator[Row]:
    for row in _read(results, "sums").to_dict("records"):
        parts = [int(part) for part in row["parts"].split()]
        yield {
            **_place(row, row["what"], "sum"),
            "printed": f"{' + '.join(f'{part:,}' for part in parts)} = {int(row['total']):,}",
            "recomputed": f"{sum(parts):,}",
            "follows": sum(parts) == int(row["total"]),
        }


def _twice(results: Path) -> Iterator[Row]:
    for row in _read(results, "twice").to_dict("records"):
        yield {
            **_place({**row, "section": f"{row['place']}; {row['other_place']}"}, row["what"], "twice"),
            "printed": f"{row['figure']}; {row['other_figure']}",
            "recomputed": "",
            "follows": Fraction(row["figure"]) == Fraction(row["other_figure"]),
            "remark": row["remark"],
        }


def _wrong_cases(results: Path) -> Iterator[Row]:
    claims = read_claims(results)
    for row in _read(results, "wrong_cases").to_dict("records"):
        own = claims[(claims["paper"] == row["paper"]) & claims["experiment"].str.contains(row["network"])]
        matrices = [matrix for matrix in map(printed_confusion, own.to_dict("records")) if matrix]
        false_positives = int(row["false_positives"])
        false_negatives = int(row["false_negatives"])
        yield {
            **_place(row, f"wrong cases of {row['network']}", "wrong cases"),
            "printed": f"{false_positives} FP, {false_negatives} FN",
            "recomputed": "at most, by its matrices: " + "; ".join(f"{one.fp} FP, {one.fn} FN" for one in matrices),
            # A paper that lists some of its wrong cases may have more of them, not fewer.
            "follows": any(false_positives <= one.fp and false_negatives <= one.fn for one in matrices),
            "remark": row["remark"],
        }


def _missed(results: Path) -> Iterator[Row]:
    """Check the images missed by one and by all models against the errors of each, and what each alone gets right."""
    for row in _read(results, "missed").to_dict("records"):
        by_one = int(row["missed_by_one"])
        by_all = int(row["missed_by_all"])
        alone = range(int(row["alone_right_least"]), int(row["alone_right_most"]) + 1)
        for errors in _errors(results, row):
            # Of four models: all errors are those of images missed by one, by two, by three and by all four.
            left = sum(errors) - by_one - 4 * by_all
            fits = []
            for three in alone:
                two, rest = divmod(left - 3 * three, 2)
                if two >= 0 and not rest:
                    fits.append(f"{two} missed by two, {three} by three")
            yield {
                **_place(row, f"four models with {', '.join(map(str, errors))} errors", "missed by k"),
                "printed": f"{by_one} missed by one, {by_all} by all; {alone[0]} to {alone[-1]} right by one alone",
                "recomputed": "; or ".join(fits) or "none fits",
                "follows": bool(fits),
            }


CHECKS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    _matrices,
    _per_class,
    _missed,
    _shares,
    _sums,
    _twice,
    _wrong_cases,
)


def _errors(results: Path, row: dict[str, str]) -> Iterator[tuple[int, ...]]:
    """Return the numbers of errors of the models; several tuples where a model is printed with two results."""
    table = _read(results, "per_class")
    choices: list[list[int]] = []
    for model in row["models"].split():
        own = table[(table["paper"] == row["paper"]) & (table["model"] == model)]
        errors = []
        for recalls in own.to_dict("records"):
            errors += [matrix.fp + matrix.fn for matrix in _of_recalls(recalls)]
        choices.append(errors)
    return product(*choices)


def _of_recalls(row: dict[str, str]) -> list[Confusion]:
    return reconstruct(row["recall_negative"], row["recall_positive"], int(row["negatives"]), int(row["positives"]))


def _fits(row: dict[str, str], matrix: Confusion) -> bool:
    return all(follows(row[name], value) for name, value in _values(matrix).items())


def _values(matrix: Confusion) -> dict[str, Fraction]:
    """Return what is printed beside the recalls; a precision without predictions is left out."""
    values = {}
    parts = {"precision_negative": (matrix.tn, matrix.fn), "precision_positive": (matrix.tp, matrix.fp)}
    for name, (right, wrong) in parts.items():
        if right + wrong:
            values[name] = Fraction(right, right + wrong)
    return {**values, "f1_weighted": weighted_f1(matrix)}


def _with_metrics(matrix: Confusion) -> str:
    values = [f"{name.replace('_', ' ')} {float(value):.4f}" for name, value in _values(matrix).items()]
    right = share(matrix.tp + matrix.tn, matrix.images, CONFIDENCE)
    accuracy = f"accuracy {right['value']:.4f} ({right['low']:.3f} to {right['high']:.3f})"
    return f"{matrix}: {', '.join(values)}, {accuracy}"


def _whole(figure: str, images: int) -> list[int]:
    """Return the counts of images that are a printed share of them."""
    near = round(Fraction(figure) * images)
    step = Fraction(images, 10 ** len(figure.partition(".")[2]))  # a unit of the last digit
    reach = int(step) + 1
    counts = range(max(near - reach, 0), min(near + reach, images) + 1)
    return [count for count in counts if follows(figure, Fraction(count, images))]


def _place(row: dict[str, str], what: str, kind: str) -> Row:
    return {"paper": row["paper"], "section": row["section"], "what": what, "kind": kind}


def _read(results: Path, name: str) -> pd.DataFrame:
    """Read a table of printed figures as text: they keep their digits."""
    path = results / "claims" / f"{name}.csv"
    if not path.is_file():
        raise UserError(f"no figures to audit at {path}: name the folder of measured results")
    return pd.read_csv(path, dtype=str, keep_default_na=False)
