"""The members of ensembles, and one set of predictions from several: align, combine, average.

Averages of networks: Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation, 2017.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from common.errors import UserError
from common.predictions import (
    COLUMNS,
    FACTS,
    OUT_OF_DISTRIBUTION,
    PROBABILITY_PREFIX,
    UPSIDE_DOWN,
    Predictions,
    uncertainty_of,
)
from common.uncertainty import summarise
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.ensembles.objective import Problem
from evaluation.intervals.grouping import group_runs
from evaluation.intervals.pooling import merge_facts


@dataclass(frozen=True)
class EnsembleMembers:
    """The members of one ensemble: labels in tables, the same in every fold, folders (``names``) and predictions.

    ``fold`` is tested by all of them, None where there is one ensemble only; ``inner_folds`` is that of each labelled
    validation image, shape (N,), None without nested cross-validation.
    """

    fold: int | None
    labels: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[Predictions, ...]
    inner_folds: np.ndarray | None = None

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
        occurring = [name for name, images in labelled.count_images().items() if images]
        if not occurring:
            raise UserError(
                "the members have no labelled validation image in common to fit weights on: only `average` needs none"
            )
        if len(occurring) == 1:
            raise UserError(
                f"all {len(labelled.labels)} validation images are {occurring[0]}: weights cannot be fitted on one "
                "class, only `average` needs none"
            )
        parts = [member.part("validation") for member in self.members]
        probabilities = stacked(parts)[:, parts[0].labels >= 0]
        clusters = labelled.clusters if labelled.by_subject or labelled.by_cell else None
        return Problem(probabilities, labelled.labels, labelled.positive_index, labelled.classes, clusters)


def group_members(runs: Sequence[Predictions], names: Sequence[str]) -> list[EnsembleMembers]:
    """Divide runs into the members of one ensemble, or of one per fold.

    Seeds and experiments are members. Where several of them have the same folds, each fold has an ensemble of its own.
    Folds become members of one ensemble only where they test the same images (a given test part, another data set), or
    where there is nothing else: then ``align`` reports the difference. ``names`` are the runs' folders.

    Raises:
        UserError: Fewer than two runs, one that is named twice, or experiments with other folds than the first.
    """
    check_names(names)
    groups = group_runs(list(runs), list(names))
    folds = [[run.about.get("fold") for run in group.runs] for group in groups]
    test_images = {frozenset(run.part("test").frame["image_id"]) for run in runs}
    if len(groups) == 1 or (len(test_images) == 1 and test_images != {frozenset()}):
        labels: list[str] = []
        for group, of_group in zip(groups, folds, strict=True):
            if len(of_group) == 1:
                labels.append(group.label)
            else:
                labels += [f"{group.label}, fold {fold}" for fold in of_group]
        all_names = [name for group in groups for name in group.names]
        members = [run for group in groups for run in group.runs]
        return [EnsembleMembers(None, tuple(labels), tuple(all_names), tuple(members))]
    for group, of_group in zip(groups, folds, strict=True):
        if of_group != folds[0] and max(map(len, folds)) > 1:
            raise UserError(
                f"{groups[0].label} has the folds {', '.join(map(str, folds[0]))}, {group.label} "
                f"{', '.join(map(str, of_group))}: name the same folds of each"
            )
    ensembles = []
    for place, fold in enumerate(folds[0]):
        ensemble = EnsembleMembers(
            fold if len(folds[0]) > 1 else None,
            tuple(group.label for group in groups),
            tuple(group.names[place] for group in groups),
            tuple(group.runs[place] for group in groups),
        )
        ensembles.append(ensemble)
    return ensembles


def average(members: Sequence[Predictions], names: Sequence[str]) -> Predictions:
    """Average the probabilities of several models on the same images; see ``align`` and ``combine``.

    Of members with Monte Carlo passes only the probabilities without dropout are used: the passes that the
    ``sampled_...`` columns of the result summarise are the members.
    """
    aligned = align(members, names)
    return combine(aligned, lambda probabilities: probabilities.mean(axis=0))


def align(members: Sequence[Predictions], names: Sequence[str], common: bool = False) -> list[Predictions]:
    """Bring several models' predictions of the same images into the order of the first.

    ``names`` are those of errors, such as folders. With ``common`` only the validation images that all members have are
    kept, since each of the others may have trained a member; test images must be the same in any case.

    Raises:
        UserError: Fewer than two members, a run that is named twice, or other classes, images, parts or labels.
    """
    check_names(names)
    frames = [member.frame for member in members]
    if common:
        of_parts = [frame.loc[frame["part"] == "validation", "image_id"] for frame in frames]
        shared = set.intersection(*map(set, of_parts))
        frames = [frame[(frame["part"] != "validation") | frame["image_id"].isin(shared)] for frame in frames]
    members = [replace(member, frame=frame) for member, frame in zip(members, frames, strict=True)]
    for member, name in zip(members[1:], names[1:], strict=True):
        _check_same_data(members[0], member, names[0], name)
    order = frames[0]["image_id"]
    return [replace(member, frame=member.frame.set_index("image_id").loc[order].reset_index()) for member in members]


def check_names(names: Sequence[str]) -> None:
    """Raise a ``UserError`` for fewer than two members, or one that is named twice."""
    if len(names) < 2:
        raise UserError("an ensemble needs at least two runs: name more of them")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UserError(f"{name} is named twice: name each member of the ensemble once")


def stacked(aligned: Sequence[Predictions]) -> np.ndarray:
    """Return the probabilities of M members of the same images, float64, shape (M, N, K)."""
    return np.stack([member.probabilities for member in aligned])


def combine(
    aligned: Sequence[Predictions],
    rule: Callable[[np.ndarray], np.ndarray],
    method: str = "average",
    name: str | None = None,
) -> Predictions:
    """Make the predictions of an ensemble.

    Args:
        aligned: The members, see ``align``.
        rule: Makes the probabilities of the ensemble, shape (N, K), rows that sum to 1, of the members', shape
            (M, N, K); those without the context of the cell are made by it, too.
        method: Name of the rule.
        name: Name of the ensemble; None: its method and members.

    Returns:
        Rows in the order of the members'; each member has one vote in the ``sampled_...`` columns, whatever its weight:
        they show how far the members differ. ``about`` merges the facts of all, with ``ensemble`` and ``method``.
    """
    first = aligned[0]
    columns = [column for column in COLUMNS if column in first.frame and column != "uncertainty"]
    frame = first.frame[columns].reset_index(drop=True)
    for member in aligned[1:]:  # a fact that one member's file lacks is taken from another's
        facts = member.frame.reset_index(drop=True)
        for column in FACTS:
            if column in frame and column in facts and frame[column].isna().any():
                frame[column] = frame[column].where(frame[column].notna(), facts[column])
    probabilities = rule(stacked(aligned))
    frame["uncertainty"] = uncertainty_of(probabilities)
    frame[[PROBABILITY_PREFIX + class_name for class_name in first.classes]] = probabilities
    for column in (UPSIDE_DOWN, OUT_OF_DISTRIBUTION):
        if all(column in member.frame for member in aligned):
            frame[column] = np.mean([member.frame[column].to_numpy(float) for member in aligned], axis=0)
    votes = summarise(stacked(aligned), first.classes)
    about = merge_facts([member.about for member in aligned])
    if name is None:
        names = about.get("name")
        name = ensemble_name(method, len(aligned), names if isinstance(names, list) else [str(names)])
    about |= {"name": name, "ensemble": len(aligned), "method": method}
    return Predictions(pd.concat([frame, votes], axis=1), first.classes, first.positive_class, about)


def ensemble_name(method: str, members: int, names: list[str]) -> str:
    """Return the default name of an ensemble: its method, the number of its members, and their names."""
    kind = "ensemble" if method == "average" else f"{method} ensemble"
    return f"{kind} of {members}: {', '.join(map(str, names))}"


def _check_same_data(first: Predictions, other: Predictions, name: str, other_name: str) -> None:
    if (first.classes, first.positive_class) != (other.classes, other.positive_class):
        raise UserError(
            f"{name} has the classes {', '.join(first.classes)} (positive {first.positive_class}), {other_name} "
            f"{', '.join(other.classes)} (positive {other.positive_class}): combine runs of one task"
        )
    _check_images(first, other, name, other_name)
    _check_images(other, first, other_name, name)
    rows = first.frame.set_index("image_id")
    other_rows = other.frame.set_index("image_id").loc[rows.index]
    for column in ("part", "label"):
        values = rows[column]
        other_values = other_rows[column]
        differs = (values != other_values) & (values.notna() | other_values.notna())
        if differs.any():
            image = differs.idxmax()
            raise UserError(
                f"the {column} of {differs.sum()} images differs, {image} first: {values[image]} in {name}, "
                f"{other_values[image]} in {other_name}: combine runs of one data set and fold"
            )
    if bool(first.about.get("synthetic")) != bool(other.about.get("synthetic")):
        raise UserError(f"one of {name} and {other_name} is synthetic: combine runs of one data set")


def _check_images(first: Predictions, other: Predictions, name: str, other_name: str) -> None:
    """Check that every image of the first is one of the other's."""
    missing = first.frame.loc[~first.frame["image_id"].isin(other.frame["image_id"]), "image_id"]
    if missing.empty:
        return
    if set(first.part("test").frame["image_id"]) == set(other.part("test").frame["image_id"]):
        hint = "; --common keeps the validation images that all members have"
    elif first.about.get("fold") != other.about.get("fold"):
        hint = "; different folds cannot form one ensemble, scripts/evaluate.py pools them"
    else:
        hint = ""
    raise UserError(
        f"{len(missing)} images of {name} are not in {other_name}, {missing.iloc[0]} first: combine runs of one data "
        f"set and fold{hint}"
    )
