"""Where several models err on the same images: together, apart, and alone (paper 004, 3.4.1)."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from evaluation.error_analysis.calls import AlignedPredictions, gather
from evaluation.intervals.exact import share
from evaluation.intervals.grouping import Group

Models = AlignedPredictions | Sequence[Group]

CONFIDENCE = 0.95
ALL = "(every class)"  # in column ``true_class``; no class may be called so, and "all" is one
ORACLE = "at least one is right (oracle)"
MAJORITY = "majority vote"


def missed(models: Models) -> pd.DataFrame:
    """List every image with the number of models that miss it.

    Returns:
        ``image_id``, ``label``, ``subject``, ``missed_by`` (0 to M) and ``right`` (list of the models that are right);
        the most often missed first, among equals the one to whose class the models give the least probability.
    """
    answers = _answers(models)
    names = np.array(answers.models, dtype=object)
    order = np.lexsort((answers.of_truth.mean(axis=0), -answers.missed_by))
    return pd.DataFrame(
        {
            "image_id": answers.image_ids[order],
            "label": [answers.classes[index] for index in answers.labels[order]],
            "subject": answers.subjects[order],
            "missed_by": answers.missed_by[order],
            "right": [names[right].tolist() for right in answers.right.T[order]],
        }
    )


def missed_counts(models: Models) -> pd.DataFrame:
    """Count the images that are missed by exactly k of the M models.

    Returns:
        A row per k from 0 to M: ``k``, ``images``, ``share`` (0 to 1), ``low`` and ``high`` (exact, 95 %; images are
        taken for independent), and ``independent``: how many images it would be if the models erred as often as they
        do, but independently of one another.
    """
    answers = _answers(models)
    return _counts(answers, np.ones(len(answers.labels), dtype=bool))


def missed_by_class(models: Models) -> pd.DataFrame:
    """Do as ``missed_counts`` for the images of each true class; a column ``true_class`` stands first."""
    answers = _answers(models)
    tables = []
    for name, rows in _classes(answers):
        tables.append(_counts(answers, rows))
        tables[-1].insert(0, "true_class", name)
    return pd.concat(tables, ignore_index=True)


def alone(models: Models) -> pd.DataFrame:
    """Count what each model alone calls rightly, and what it alone misses; two figures stand below for comparison.

    Returns:
        A row per model: ``model``, ``images``, ``right``, ``accuracy`` with ``low`` and ``high`` (exact, 95 %),
        ``right_alone``, ``wrong_alone``, and for two classes both of each true class (``right_alone/<class>``). Then
        ORACLE, what a perfect choice among the models would call rightly, and MAJORITY (of a tie the class with the
        larger mean probability); they are never alone.
    """
    answers = _answers(models)
    right = answers.right
    many = len(answers.models)
    rights = right.sum(axis=0)
    only_right = right & (rights == 1)
    only_wrong = ~right & (rights == many - 1)
    lines = []
    for place, model in enumerate(answers.models):
        line = {"model": model, **_accuracy(right[place])}
        for suffix, rows in [("", slice(None)), *((f"/{name}", rows) for name, rows in _two_classes(answers))]:
            line[f"right_alone{suffix}"] = int(only_right[place][rows].sum())
            line[f"wrong_alone{suffix}"] = int(only_wrong[place][rows].sum())
        lines.append(line)
    lines.append({"model": ORACLE, **_accuracy(rights > 0)})
    lines.append({"model": MAJORITY, **_accuracy(majority(answers) == answers.labels)})
    table = pd.DataFrame(lines)
    counts = [column for column in table if "_alone" in column]
    return table.astype(dict.fromkeys(counts, "Int64"))


def majority(answers: AlignedPredictions) -> np.ndarray:
    """Return what most models call, int64, shape (N,); of a tie as ``common.uncertainty.summarise`` does."""
    votes = (answers.called[..., None] == np.arange(len(answers.classes))).sum(axis=0)
    support = votes + answers.probabilities.mean(axis=0) / 2  # a mean counts for less than a vote
    if len(answers.classes) == 2:
        return (support[:, 1] >= support[:, 0]).astype(np.int64)
    return support.argmax(axis=1)


def agreement(models: Models) -> pd.DataFrame:
    """Measure how alike each pair of models calls (Kuncheva and Whitaker, Machine Learning 51, 2003).

    Returns:
        A row per pair: ``first``, ``second``, ``kappa`` (Cohen's, of the calls: 1 the same, 0 as by chance; NaN where
        both call one and the same class only), ``disagreement`` (share of images that exactly one calls rightly),
        ``double_fault`` (share that both miss), ``only_first``, ``only_second`` (images that only this one calls
        rightly), ``images``.
    """
    answers = _answers(models)
    return _pairs(answers, np.ones(len(answers.labels), dtype=bool))


def agreement_by_class(models: Models) -> pd.DataFrame:
    """Do as ``agreement`` for all images and, of two classes, for each true class (column ``true_class``)."""
    answers = _answers(models)
    tables = []
    for name, rows in [(ALL, np.ones(len(answers.labels), dtype=bool)), *_two_classes(answers)]:
        tables.append(_pairs(answers, rows))
        tables[-1].insert(0, "true_class", name)
    return pd.concat(tables, ignore_index=True)


def each_call(answers: AlignedPredictions) -> pd.DataFrame:
    """Return per image what each model calls (``called/<model>``) and gives to the truth (``prob_true/<model>``)."""
    columns = {"image_id": answers.image_ids}
    for place, model in enumerate(answers.models):
        columns[f"called/{model}"] = np.array(answers.classes, dtype=object)[answers.called[place]]
        columns[f"prob_true/{model}"] = answers.of_truth[place]
    return pd.DataFrame(columns)


def _answers(models: Models) -> AlignedPredictions:
    if isinstance(models, AlignedPredictions):
        return models
    return gather(models)


def _classes(answers: AlignedPredictions) -> list[tuple[str, np.ndarray]]:
    """The classes that have images, and which are theirs."""
    rows = [(name, answers.labels == index) for index, name in enumerate(answers.classes)]
    return [(name, mine) for name, mine in rows if mine.any()]


def _two_classes(answers: AlignedPredictions) -> list[tuple[str, np.ndarray]]:
    if len(answers.classes) == 2:
        return _classes(answers)
    return []


def _counts(answers: AlignedPredictions, rows: np.ndarray) -> pd.DataFrame:
    wrong = ~answers.right[:, rows]
    total = int(rows.sum())
    counts = np.bincount(wrong.sum(axis=0), minlength=len(wrong) + 1)
    expected = np.ones(1)
    for rate in wrong.mean(axis=1):
        expected = np.convolve(expected, [1 - rate, rate])
    lines = [_ends(int(hits), total, "share") for hits in counts]
    table = pd.DataFrame({"k": np.arange(len(counts)), "images": counts, **pd.DataFrame(lines).to_dict("list")})
    return table.assign(independent=expected * total)


def _accuracy(right: np.ndarray) -> dict[str, int | float]:
    hits = int(right.sum())
    total = len(right)
    return {"images": total, "right": hits, **_ends(hits, total, "accuracy")}


def _ends(hits: int, total: int, name: str) -> dict[str, float]:
    found = share(hits, total, CONFIDENCE)
    return {name: found["value"], "low": found["low"], "high": found["high"]}


def _pairs(answers: AlignedPredictions, rows: np.ndarray) -> pd.DataFrame:
    called = answers.called[:, rows]
    right = answers.right[:, rows]
    total = int(rows.sum())
    lines = []
    for one, two in combinations(range(len(answers.models)), 2):
        only_first = int((right[one] & ~right[two]).sum())
        only_second = int((right[two] & ~right[one]).sum())
        lines.append(
            {
                "first": answers.models[one],
                "second": answers.models[two],
                "kappa": _kappa(called[one], called[two]),
                "disagreement": (only_first + only_second) / total,
                "double_fault": float((~right[one] & ~right[two]).mean()),
                "only_first": only_first,
                "only_second": only_second,
                "images": total,
            }
        )
    return pd.DataFrame(lines)


def _kappa(first: np.ndarray, second: np.ndarray) -> float:
    # Both call one and the same class alone: chance agrees always, and scikit-learn divides by zero.
    if len(np.union1d(first, second)) == 1:
        return float("nan")
    return float(cohen_kappa_score(first, second))
