"""Runs that belong together: the folds of one experiment, of one seed."""

from dataclasses import dataclass

from common.predictions import Predictions

# What two folds of one experiment have in common; "on" is the data set of an external validation.
IDENTITY = ("name", "source", "protocol", "config", "seed", "folds", "ensemble", "on")


@dataclass(frozen=True)
class Group:
    """One experiment: a single run, or its folds.

    Attributes:
        label: Short and unlike every other group's: the experiment's name, and what else tells it apart.
        runs: In the order of their folds.
        names: What messages call them, such as their folders; as many as runs.
    """

    label: str
    runs: tuple[Predictions, ...]
    names: tuple[str, ...]


def group_runs(runs: list[Predictions], names: list[str]) -> list[Group]:
    """Gather the folds of each experiment; what differs in anything but the fold is another group.

    On another data set than their own (``on``) the folds of an experiment are a group each.

    A second run of a fold that a group has already begins another group, so that nothing is pooled twice.

    Args:
        runs: Any runs.
        names: One per run.

    Returns:
        Groups in the order in which their first runs come.
    """
    gathered: dict[str, list[tuple[Predictions, str]]] = {}
    for run, name in zip(runs, names, strict=True):
        key = _key(run)
        taken = 0
        while any(run.about.get("fold") == other.about.get("fold") for other, _ in gathered.get(f"{key}/{taken}", [])):
            taken += 1
        gathered.setdefault(f"{key}/{taken}", []).append((run, name))
    members = [sorted(group, key=lambda pair: _fold(pair[0])) for group in gathered.values()]
    labels = _labels([[run for run, _ in group] for group in members])
    return [
        Group(label, tuple(run for run, _ in group), tuple(name for _, name in group))
        for label, group in zip(labels, members, strict=True)
    ]


def _key(run: Predictions) -> str:
    # On another data set all folds predict the same images: there is nothing to pool.
    if run.about.get("on"):
        fold = run.about.get("fold")
    else:
        fold = None
    return repr([*(run.about.get(fact) for fact in IDENTITY), fold])


def _fold(run: Predictions) -> int:
    fold = run.about.get("fold")
    if isinstance(fold, int):
        return fold
    return -1


def _labels(groups: list[list[Predictions]]) -> list[str]:
    """Name each group by its experiment, and by those of IDENTITY that tell groups of one name apart."""
    firsts = [group[0].about for group in groups]
    labels = [str(first.get("name") or "run") for first in firsts]
    for fact in ("protocol", "on", "seed", "source", "config", "fold"):
        for name in {label for label in labels if labels.count(label) > 1}:
            alike = [place for place, label in enumerate(labels) if label == name]
            if len({repr(firsts[place].get(fact)) for place in alike}) > 1:
                for place in alike:
                    labels[place] += f", {fact} {firsts[place].get(fact)}"
    return [label if labels.count(label) == 1 else f"{label} ({place + 1})" for place, label in enumerate(labels)]
