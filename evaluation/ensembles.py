"""Several models as one: the mean of their probabilities (Lakshminarayanan et al., deep ensembles, 2017)."""

import numpy as np
import pandas as pd

from common.errors import UserError
from common.predictions import COLUMNS, PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.uncertainty import summarise
from evaluation.pooling import merge_facts


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
        UserError: Fewer than two members, a run that is named twice, or what they predict is not the same: classes,
            images, parts or labels.
    """
    if len(members) < 2:
        raise UserError("an ensemble needs at least two runs: name more of them")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise UserError(f"{twice[0]} is named twice: name each member of the ensemble once")
    first = members[0]
    for member, name in zip(members[1:], names[1:], strict=True):
        _check_same(first, member, names[0], name)
    order = first.frame["image_id"]
    aligned = [_reordered(member, order) for member in members]
    passes = np.stack([member.probabilities for member in aligned])
    frame = first.frame[[name for name in COLUMNS if name != "uncertainty"]].reset_index(drop=True)
    mean = passes.mean(axis=0)
    frame["uncertainty"] = uncertainty_of(mean)
    for place, name in enumerate(first.classes):
        frame[PROBABILITY_PREFIX + name] = mean[:, place]
    sampled = summarise(passes, first.classes).reset_index(drop=True)
    about = merge_facts([member.about for member in members])
    about |= {"name": f"ensemble of {len(members)}: {_joined(about.get('name'))}", "ensemble": len(members)}
    return Predictions(pd.concat([frame, sampled], axis=1), first.classes, first.positive_class, about)


def _check_same(first: Predictions, other: Predictions, name: str, other_name: str) -> None:
    if (first.classes, first.positive_class) != (other.classes, other.positive_class):
        raise UserError(
            f"{name} tells {', '.join(first.classes)} apart (positive {first.positive_class}), {other_name} "
            f"{', '.join(other.classes)} (positive {other.positive_class}): average runs of one task"
        )
    ours, theirs = first.frame.set_index("image_id"), other.frame.set_index("image_id")
    for having, lacking, holder, other_holder in ((ours, theirs, name, other_name), (theirs, ours, other_name, name)):
        alone = having.index.difference(lacking.index, sort=False)
        if len(alone):
            raise UserError(
                f"{len(alone)} images of {holder} are not in {other_holder}, {alone[0]} first: average runs of one "
                "data set and fold"
            )
    theirs = theirs.loc[ours.index]
    for column in ("part", "label"):
        one, two = ours[column], theirs[column]
        differs = (one != two) & (one.notna() | two.notna())
        if differs.any():
            image = differs.idxmax()
            raise UserError(
                f"the {column} of {differs.sum()} images differs, {image} first: {one[image]} in {name}, {two[image]} "
                f"in {other_name}: average runs of one data set and fold"
            )
    if bool(first.about.get("synthetic")) != bool(other.about.get("synthetic")):
        raise UserError(f"one of {name} and {other_name} is synthetic: average runs of one data set")


def _reordered(member: Predictions, order: pd.Series) -> Predictions:
    frame = member.frame.set_index("image_id").loc[order].reset_index()
    return Predictions(frame, member.classes, member.positive_class, member.about)


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
