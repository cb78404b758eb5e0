"""Runs that belong together: the folds of one experiment, of one seed."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from karyocyte.runs.predictions import VALIDATION, Predictions

# What two folds of one experiment have in common; "on" is the data set of an external validation.
IDENTITY = ("name", "source", "protocol", "config", "seed", "folds", "ensemble", "on")


@dataclass(frozen=True)
class Group:
    """One experiment: a single run, or its folds in their order, and what messages call them, such as their folders.

    ``label`` is short and unlike every other group's: the experiment's name, and what else tells it apart.
    """

    label: str
    runs: tuple[Predictions, ...]
    names: tuple[str, ...]

    @property
    def folds(self) -> list[Any]:
        """The fold of each run."""
        return [run.about.get("fold") for run in self.runs]


def group_runs(runs: list[Predictions], names: list[str]) -> list[Group]:
    """Gather the folds of each experiment, in order of appearance; what differs in more than the fold is another group.

    On another data set than their own (``on``) the folds of an experiment are a group each. A second run of a fold that
    a group has already begins another group, so that nothing is pooled twice.
    """
    gathered: dict[tuple[str, int], list[tuple[Predictions, str]]] = {}
    taken: Counter[tuple[str, object]] = Counter()
    for run, name in zip(runs, names, strict=True):
        fold = run.about.get("fold")
        facts = list(map(run.about.get, IDENTITY))
        if run.about.get("on") not in (None, VALIDATION):
            facts.append(fold)  # on another data set all folds predict the same images: there is nothing to pool
        key = repr(facts)
        gathered.setdefault((key, taken[key, fold]), []).append((run, name))
        taken[key, fold] += 1
    groups = []
    for members in gathered.values():
        members.sort(key=lambda member: _fold(member[0]))
        groups.append(Group("", *zip(*members, strict=True)))
    labels = _labels([group.runs[0] for group in groups])
    return [replace(group, label=label) for group, label in zip(groups, labels, strict=True)]


def _fold(run: Predictions) -> int:
    fold = run.about.get("fold")
    if isinstance(fold, int):
        return fold
    return -1


def _labels(firsts: list[Predictions]) -> list[str]:
    """Name each group, of which these are the first runs, by its experiment, and by facts that tell it from others."""
    labels = pd.Series([str(run.about.get("name") or "run") for run in firsts])
    for fact in ("protocol", "on", "seed", "source", "config", "fold"):
        values = pd.Series([str(run.about.get(fact, "its own images" if fact == "on" else None)) for run in firsts])
        different = values.groupby(labels).transform("nunique") > 1
        labels = labels.mask(different, labels + f", {fact} " + values)
    numbers = pd.Series(range(1, len(labels) + 1)).astype(str)
    return list(labels.mask(labels.duplicated(keep=False), labels + " (" + numbers + ")"))
