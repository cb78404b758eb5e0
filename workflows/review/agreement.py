"""How far readers agree with the model and with one another, and the time that they took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from workflows.review.decisions import Decisions
from workflows.review.reviewed import Reviewed


@dataclass(frozen=True)
class Approved:
    """An item that a reader has approved: ``classes`` by file, ``seconds`` spent on it."""

    reader: str
    stem: str
    classes: dict[str, str]
    turned: frozenset[str]
    seconds: float
    blind: bool


def approved_items(decisions: Decisions) -> Iterator[Approved]:
    """Return the approved items of all readers, in the order of their first decisions."""
    for (reader, stem), state in decisions.items():
        approval = state.approval
        if approval is not None and approval.classes is not None:
            yield Approved(reader, stem, approval.classes, frozenset(state.turned), state.seconds, approval.blind)


def reader_table(approved: Sequence[Approved], reviewed: Reviewed) -> pd.DataFrame:
    """Return a row per reader: its number of items, ``files``, ``same`` and ``seconds``.

    ``same`` is the share of files with the model's class, ``seconds`` the median of the time per item.
    """
    rows = []
    for reader in dict.fromkeys(one.reader for one in approved):
        own = [one for one in approved if one.reader == reader]
        same = []
        for one in own:
            sources = reviewed.sources(one.stem)
            same += [sources[name].predicted == kind for name, kind in one.classes.items()]
        row = {"reader": reader, f"{reviewed.noun}s": len(own)}
        if reviewed.noun != "image":
            row["files"] = len(same)
        rows.append(row | {"same": float(np.mean(same)), "seconds": median(one.seconds for one in own)})
    return pd.DataFrame(rows)


def kappas(approved: Sequence[Approved]) -> pd.DataFrame:
    """Return the agreement of readers on the files that they have all approved.

    Returns:
        Columns ``readers``, ``files``, ``measure`` ("Cohen's kappa" of two, of all pairs; "Fleiss' kappa" of
        three or more) and ``kappa`` (NaN where all have the same single class, or without a common file).
    """
    named: dict[str, dict[tuple[str, str], str]] = {}
    for one in approved:
        of_reader = named.setdefault(one.reader, {})
        of_reader |= {(one.stem, file): kind for file, kind in one.classes.items()}
    classes = sorted({kind for of_reader in named.values() for kind in of_reader.values()})
    groups = [*combinations(named, 2), *([tuple(named)] if len(named) > 2 else [])]
    rows = []
    for group in groups:
        common = sorted(set.intersection(*(set(named[reader]) for reader in group)))
        codes = np.array([[classes.index(named[reader][key]) for reader in group] for key in common])
        measure = "Cohen's kappa" if len(group) == 2 else "Fleiss' kappa"
        rows.append((", ".join(group), len(common), measure, _kappa(codes)))
    return pd.DataFrame(rows, columns=["readers", "files", "measure", "kappa"])


def _kappa(codes: np.ndarray) -> float:
    """Return the kappa of classes, int64, shape (n, readers)."""
    if len(np.unique(codes)) < 2:
        return float("nan")
    if codes.shape[1] == 2:
        return float(cohen_kappa_score(codes[:, 0], codes[:, 1]))
    votes = np.stack([(codes == kind).sum(axis=1) for kind in np.unique(codes)], axis=1)
    readers = codes.shape[1]
    observed = ((votes**2).sum(axis=1) - readers).mean() / (readers * (readers - 1))
    expected = ((votes.sum(axis=0) / codes.size) ** 2).sum()
    return float((observed - expected) / (1 - expected))
