"""Several models as one: a combination of their probabilities (the mean: Lakshminarayanan et al., 2017)."""

import numpy as np
import pandas as pd

from common.errors import UserError
from common.predictions import COLUMNS, FACTS, PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.uncertainty import summarise
from evaluation.intervals.pooling import merge_facts

COMMON = "--common keeps the validation images that all members have"
FOLDS = "other folds are no members of one ensemble, scripts/evaluate.py pools them"


def average(members: list[Predictions], names: list[str]) -> Predictions:
    """Average the probabilities of several models on the same images.

    Of members that have Monte Carlo passes only the probabilities without dropout are used: the passes that the
    ``sampled_...`` columns of the result summarise are the members.

    Args:
        members: Predictions of the same images, in any order.
        names: What errors call them, such as their folders.

    Returns:
        Rows in the order of the first member; ``about`` joins the facts of all, its ``name`` says how many there are
        and ``ensemble`` counts them.

    Raises:
        UserError: See ``align``.
    """
    aligned = align(members, names)
    return combine(aligned, stacked(aligned).mean(axis=0))


def align(members: list[Predictions], names: list[str], common: bool = False) -> list[Predictions]:
    """Bring several models' predictions of the same images into the order of the first.

    Args:
        members: Predictions of the same images, in any order.
        names: What errors call them, such as their folders.
        common: Of validation images, keep those that all members have: each of the others may have trained a member.
            Test images must be the same in any case.

    Raises:
        UserError: Fewer than two members, a run that is named twice, or what they predict is not the same: classes,
            images, parts or labels.
    """
    refuse_too_few(names)
    if common:
        members = _sharing_validation(members)
    first = members[0]
    for member, name in zip(members[1:], names[1:], strict=True):
        _check_same(first, member, names[0], name)
    return [_reordered(member, first.frame["image_id"]) for member in members]


def refuse_too_few(names: list[str]) -> None:
    """Raise where there are fewer than two members, or one of them is named twice.

    Raises:
        UserError: Naming the run and the way out.
    """
    if len(names) < 2:
        raise UserError("an ensemble needs at least two runs: name more of them")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise UserError(f"{twice[0]} is named twice: name each member of the ensemble once")


def stacked(aligned: list[Predictions]) -> np.ndarray:
    """Return the probabilities of M members of the same images, float64, shape (M, N, K)."""
    return np.stack([member.probabilities for member in aligned])


def combine(
    aligned: list[Predictions], probabilities: np.ndarray, method: str = "average", name: str | None = None
) -> Predictions:
    """Make one model's predictions of those of several.

    Args:
        aligned: What ``align`` returns.
        probabilities: What the ensemble says, shape (N, K), rows that sum to 1.
        method: How it was found.
        name: What the ensemble is called; None: by its method and members.

    Returns:
        Rows in the order of the members'; each member has one vote in the ``sampled_...`` columns, whatever its weight:
        they say how far the members differ. ``about`` joins the facts of all; ``ensemble`` counts them, ``method`` is
        theirs.
    """
    first = aligned[0]
    frame = _facts(aligned)
    frame["uncertainty"] = uncertainty_of(probabilities)
    for place, one in enumerate(first.classes):
        frame[PROBABILITY_PREFIX + one] = probabilities[:, place]
    if len(frame):
        votes = summarise(stacked(aligned), first.classes)
    else:
        votes = pd.DataFrame()
    about = merge_facts([member.about for member in aligned])
    if name is None:
        names = about.get("name")
        name = ensemble_name(method, len(aligned), names if isinstance(names, list) else [str(names)])
    about |= {"name": name, "ensemble": len(aligned), "method": method}
    return Predictions(pd.concat([frame, votes], axis=1), first.classes, first.positive_class, about)


def ensemble_name(method: str, members: int, names: list[str]) -> str:
    """Return the name of an ensemble of so many members, which have these names."""
    if method == "average":
        kind = "ensemble"
    else:
        kind = f"{method} ensemble"
    return f"{kind} of {members}: {', '.join(map(str, names))}"


def _facts(aligned: list[Predictions]) -> pd.DataFrame:
    """What is known of the images before any model; what the file of one member lacks, that of another may say."""
    first = aligned[0].frame
    frame = first[[name for name in COLUMNS if name in first and name != "uncertainty"]].reset_index(drop=True)
    for column in [name for name in FACTS if name in frame]:
        for member in aligned[1:]:
            if frame[column].isna().any() and column in member.frame:
                known = member.frame[column].reset_index(drop=True)
                frame[column] = frame[column].where(frame[column].notna(), known)
    return frame


def _sharing_validation(members: list[Predictions]) -> list[Predictions]:
    shared = set.intersection(*(set(member.part("validation").frame["image_id"]) for member in members))
    return [_kept(member, ~_validates(member) | member.frame["image_id"].isin(shared)) for member in members]


def _validates(member: Predictions) -> pd.Series:
    return member.frame["part"] == "validation"


def _kept(member: Predictions, rows: pd.Series) -> Predictions:
    frame = member.frame[rows].reset_index(drop=True)
    return Predictions(frame, member.classes, member.positive_class, member.about)


def _check_same(first: Predictions, other: Predictions, name: str, other_name: str) -> None:
    if (first.classes, first.positive_class) != (other.classes, other.positive_class):
        raise UserError(
            f"{name} tells {', '.join(first.classes)} apart (positive {first.positive_class}), {other_name} "
            f"{', '.join(other.classes)} (positive {other.positive_class}): average runs of one task"
        )
    ours = first.frame.set_index("image_id")
    theirs = other.frame.set_index("image_id")
    if _same_test(first, other):
        hint = f"; {COMMON}"
    elif _other_fold(first, other):
        hint = f"; {FOLDS}"
    else:
        hint = ""
    for having, lacking, holder, other_holder in ((ours, theirs, name, other_name), (theirs, ours, other_name, name)):
        alone = having.index.difference(lacking.index, sort=False)
        if len(alone):
            raise UserError(
                f"{len(alone)} images of {holder} are not in {other_holder}, {alone[0]} first: average runs of one "
                f"data set and fold{hint}"
            )
    theirs = theirs.loc[ours.index]
    for column in ("part", "label"):
        one = ours[column]
        two = theirs[column]
        differs = (one != two) & (one.notna() | two.notna())
        if differs.any():
            image = differs.idxmax()
            raise UserError(
                f"the {column} of {differs.sum()} images differs, {image} first: {one[image]} in {name}, {two[image]} "
                f"in {other_name}: average runs of one data set and fold"
            )
    if bool(first.about.get("synthetic")) != bool(other.about.get("synthetic")):
        raise UserError(f"one of {name} and {other_name} is synthetic: average runs of one data set")


def _same_test(first: Predictions, other: Predictions) -> bool:
    one, two = (set(member.part("test").frame["image_id"]) for member in (first, other))
    return one == two


def _other_fold(first: Predictions, other: Predictions) -> bool:
    return first.about.get("fold") != other.about.get("fold")


def _reordered(member: Predictions, order: pd.Series) -> Predictions:
    frame = member.frame.set_index("image_id").loc[order].reset_index()
    return Predictions(frame, member.classes, member.positive_class, member.about)
