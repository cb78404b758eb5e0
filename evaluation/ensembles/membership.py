"""Who are the members of which ensemble: runs, whole experiments, or folds of one."""

from dataclasses import dataclass

from common.errors import UserError
from common.predictions import Predictions
from evaluation.ensembles.averaging import refuse_too_few
from evaluation.intervals.grouping import Group, group_runs


@dataclass(frozen=True)
class EnsembleMembers:
    """The members of one ensemble.

    Attributes:
        fold: The fold that all of them test; None where there is one ensemble only.
        labels: What tables call the members; the same in every fold.
        names: Their folders.
        members: Their predictions.
    """

    fold: int | None
    labels: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[Predictions, ...]


def teams(runs: list[Predictions], names: list[str]) -> list[EnsembleMembers]:
    """Divide runs into the members of one ensemble, or of one per fold.

    Seeds and experiments are members. Where several of them have the same folds, each fold has an ensemble of its own.
    Folds become members of one ensemble only where they test the same images (a given test part, another data set), or
    where there is nothing else: then ``ensembles.align`` says why not.

    Args:
        runs: Any runs.
        names: Their folders.

    Raises:
        UserError: Fewer than two runs, one that is named twice, or experiments with other folds than the first.
    """
    refuse_too_few(names)
    groups = group_runs(runs, names)
    if all(len(group.runs) == 1 for group in groups):
        return [_team(None, [(group.label, group, 0) for group in groups])]
    if len(groups) == 1 or _same_images(runs):
        return [_team(None, [(_of_fold(group, place), group, place) for group in groups for place in _places(group)])]
    folds = [[run.about.get("fold") for run in group.runs] for group in groups]
    for group, found in zip(groups, folds, strict=True):
        if found != folds[0]:
            raise UserError(
                f"{groups[0].label} has the folds {_listed(folds[0])}, {group.label} {_listed(found)}: "
                "name the same folds of each"
            )
    return [_team(fold, [(group.label, group, place) for group in groups]) for place, fold in enumerate(folds[0])]


def _team(fold: int | None, members: list[tuple[str, Group, int]]) -> EnsembleMembers:
    return EnsembleMembers(
        fold,
        tuple(label for label, _, _ in members),
        tuple(group.names[place] for _, group, place in members),
        tuple(group.runs[place] for _, group, place in members),
    )


def _of_fold(group: Group, place: int) -> str:
    if len(group.runs) == 1:
        return group.label
    return f"{group.label}, fold {group.runs[place].about.get('fold')}"


def _places(group: Group) -> range:
    return range(len(group.runs))


def _same_images(runs: list[Predictions]) -> bool:
    """Whether all runs have test images, the same."""
    tested = [set(run.part("test").frame["image_id"]) for run in runs]
    return bool(tested[0]) and all(one == tested[0] for one in tested)


def _listed(folds: list[object]) -> str:
    return ", ".join(map(str, folds))
