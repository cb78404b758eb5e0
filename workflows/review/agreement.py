"""How far readers agree with the model and with one another, and the time that they took per cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from workflows.review.bundle import ReviewBundle
from workflows.review.decisions import CLASSES, Decisions


@dataclass(frozen=True)
class Approved:
    """A cell that a reader has approved: ``classes`` by file, ``seconds`` spent on it."""

    reader: str
    cell: str
    classes: dict[str, str]
    turned: frozenset[str]
    seconds: float
    blind: bool


def approved_cells(decisions: Decisions) -> Iterator[Approved]:
    """Return the approved cells of all readers, in the order of their first decisions."""
    for (reader, cell), state in decisions.items():
        approval = state.approval
        if approval is not None and approval.classes is not None:
            yield Approved(reader, cell, approval.classes, frozenset(state.turned), state.seconds, approval.blind)


def reader_table(approved: Sequence[Approved], bundle: ReviewBundle) -> pd.DataFrame:
    """Return a row per reader: ``cells``, ``chromosomes``, ``same`` (share with the model's class) and ``seconds``.

    ``seconds`` is the median of the time per cell.
    """
    rows = []
    for reader in dict.fromkeys(one.reader for one in approved):
        own = [one for one in approved if one.reader == reader]
        same = []
        for one in own:
            assigned = {file.name: file.assigned for file in bundle.cell(one.cell).files}
            same += [assigned[name] == kind for name, kind in one.classes.items()]
        row = {"reader": reader, "cells": len(own), "chromosomes": len(same), "same": float(np.mean(same))}
        rows.append(row | {"seconds": median(one.seconds for one in own)})
    return pd.DataFrame(rows)


def kappas(approved: Sequence[Approved]) -> pd.DataFrame:
    """Return the agreement of readers on the chromosomes that they have all approved.

    Returns:
        Columns ``readers``, ``chromosomes``, ``measure`` ("Cohen's kappa" of two, of all pairs; "Fleiss' kappa" of
        three or more) and ``kappa`` (NaN where all have the same single class, or without a common chromosome).
    """
    named: dict[str, dict[tuple[str, str], str]] = {}
    for one in approved:
        of_reader = named.setdefault(one.reader, {})
        of_reader |= {(one.cell, file): kind for file, kind in one.classes.items()}
    groups = [*combinations(named, 2), *([tuple(named)] if len(named) > 2 else [])]
    rows = []
    for group in groups:
        common = sorted(set.intersection(*(set(named[reader]) for reader in group)))
        codes = np.array([[CLASSES.index(named[reader][key]) for reader in group] for key in common])
        measure = "Cohen's kappa" if len(group) == 2 else "Fleiss' kappa"
        rows.append((", ".join(group), len(common), measure, _kappa(codes)))
    return pd.DataFrame(rows, columns=["readers", "chromosomes", "measure", "kappa"])


def _kappa(codes: np.ndarray) -> float:
    """Return the kappa of classes, int64, shape (n, readers)."""
    if len(np.unique(codes)) < 2:
        return float("nan")
    if codes.shape[1] == 2:
        return float(cohen_kappa_score(codes[:, 0], codes[:, 1]))
    return float(fleiss_kappa(aggregate_raters(codes)[0]))
