"""The members of ensembles: which runs form one, and the validation images that weights are fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from karyocyte.common.errors import UserError
from karyocyte.evaluation.metrics.labelled import LabelledPredictions, score
from karyocyte.evaluation.pooling.averaging import check_members, stacked_probabilities
from karyocyte.evaluation.pooling.experiments import Group, group_runs
from karyocyte.runs.predictions import Predictions
from karyocyte.workflows.ensembles.fitness import Problem


@dataclass(frozen=True)
class EnsembleMembers:
    """The members of one ensemble: labels in tables, the same in every fold, folders (``names``) and predictions.

    ``fold`` is tested by all of them, None where there is one ensemble only.
    """

    fold: int | None
    labels: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[Predictions, ...]

    @cached_property
    def validation(self) -> LabelledPredictions:
        """The labelled validation images of aligned members, with the first member's probabilities."""
        return score(self.members[0].part("validation"))

    @cached_property
    def problem(self) -> Problem:
        """The labelled validation images of aligned members, on which weights are fitted.

        Raises:
            UserError: There is none, or all are of one class.
        """
        labelled = self.validation
        if not len(labelled.labels):
            raise UserError(
                "the members have no labelled validation image in common to fit weights on: only `average` needs none"
            )
        if (labelled.labels == labelled.labels[0]).all():
            raise UserError(
                f"all {len(labelled.labels)} validation images are {labelled.classes[labelled.labels[0]]}: weights "
                "cannot be fitted on one class, only `average` needs none"
            )
        parts = [member.part("validation") for member in self.members]
        probabilities = stacked_probabilities(parts)[:, parts[0].labels >= 0]
        return Problem(probabilities, labelled.labels, labelled.positive_index, labelled.classes)


def group_members(runs: Sequence[Predictions], names: Sequence[str]) -> list[EnsembleMembers]:
    """Divide runs into the members of one ensemble, or of one per fold.

    Seeds and experiments are members. Where several of them have the same folds, each fold has an ensemble of its own.
    Folds become members of one ensemble only where they test the same images (a given test part, another data set), or
    where there is nothing else: then ``align`` reports the difference. ``names`` are the runs' folders.

    Raises:
        UserError: Fewer than two runs, one that is named twice, or experiments with other folds than the first.
    """
    check_members(names)
    groups = group_runs(list(runs), list(names))
    test_images = {frozenset(run.part("test").frame["image_id"]) for run in runs}
    # Runs with the same test images are members of one ensemble; of several folds each has its own.
    if len(groups) == 1 or list(map(bool, test_images)) == [True]:
        return [_join(groups)]
    first = groups[0]
    for group in groups:
        if group.folds != first.folds and max(len(group.folds), len(first.folds)) > 1:
            raise UserError(
                f"{first.label} has the folds {', '.join(map(str, first.folds))}, {group.label} "
                f"{', '.join(map(str, group.folds))}: name the same folds of each"
            )
    if len(first.folds) == 1:
        return [_join(groups)]
    ensembles = []
    for place, fold in enumerate(first.folds):
        of_fold = [(group.label, group.names[place], group.runs[place]) for group in groups]
        ensembles.append(EnsembleMembers(fold, *zip(*of_fold, strict=True)))
    return ensembles


def _join(groups: Sequence[Group]) -> EnsembleMembers:
    """Make one ensemble of all runs of groups."""
    labels: list[str] = []
    for group in groups:
        if len(group.folds) == 1:
            labels.append(group.label)
        else:
            labels += [f"{group.label}, fold {fold}" for fold in group.folds]
    names = chain.from_iterable(group.names for group in groups)
    runs = chain.from_iterable(group.runs for group in groups)
    return EnsembleMembers(None, tuple(labels), tuple(names), tuple(runs))
