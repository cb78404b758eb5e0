"""One set of predictions from those of several models: align, combine, average.

Averages of networks: Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation, 2017.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Self

import numpy as np
import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.evaluation.pooling.pooling import check_same_images, merge_facts
from karyocyte.runs.predictions import (
    BASELINE_PREFIX,
    COLUMNS,
    FACTS,
    OUT_OF_DISTRIBUTION,
    PROBABILITY_PREFIX,
    UPSIDE_DOWN,
    Predictions,
    uncertainty_of,
)
from karyocyte.runs.uncertainty import summarise


@dataclass(frozen=True, eq=False)
class Combiner:
    """Combines the probabilities of M members by ``weights``, not negative, sum 1, float64, shape (M,).

    ``method`` is how they were found, such as "average"; ``facts`` are JSON-able: ``fitness`` (weighted F1 on the
    images of the fit), ``images``, ``seed``, ``settings`` and ``evaluations``.
    """

    method: str
    weights: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """The number of fitted numbers: none of an average, else all weights but one."""
        return 0 if self.method == "average" else len(self.weights) - 1

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64, shape (N, K), of its members', shape (M, N, K).

        Raises:
            UserError: There are more or fewer members than it was fitted for.
        """
        if len(self.weights) != len(probabilities):
            raise UserError(f"the ensemble was fitted for {len(self.weights)} members, not for {len(probabilities)}")
        # One product after the other, on every processor to the same bits: equal probabilities stay equal.
        return np.asarray((self.weights[:, None, None] * probabilities).sum(axis=0))

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-able; ``from_dict`` reads it."""
        return {"method": self.method, "weights": self.weights.tolist(), "facts": self.facts}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the combiner that ``as_dict`` described."""
        return cls(values["method"], np.asarray(values["weights"], dtype=np.float64), values["facts"])


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
    check_members(names)
    frames = [member.frame for member in members]
    if common:
        shared = set.intersection(*(set(member.part("validation").frame["image_id"]) for member in members))
        frames = [frame[(frame["part"] != "validation") | frame["image_id"].isin(shared)] for frame in frames]
    aligned = []
    for member, frame, name in zip(members, frames, names, strict=True):
        _check_same_data(replace(members[0], frame=frames[0]), replace(member, frame=frame), names[0], name)
        ordered = frame.set_index("image_id").loc[frames[0]["image_id"]].reset_index()
        aligned.append(replace(member, frame=ordered))
    return aligned


def check_members(names: Sequence[str]) -> None:
    """Raise a ``UserError`` for fewer than two members, or one that is named twice."""
    if len(names) < 2:
        raise UserError("an ensemble needs at least two runs: name more of them")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UserError(f"{name} is named twice: name each member of the ensemble once")


def stacked_probabilities(aligned: Sequence[Predictions]) -> np.ndarray:
    """Return the probabilities of M members of the same images, float64, shape (M, N, K)."""
    return np.stack([one.probabilities for one in aligned])


def combine(
    aligned: Sequence[Predictions],
    rule: Callable[[np.ndarray], np.ndarray],
    method: str = "average",
    name: str | None = None,
) -> Predictions:
    """Make the predictions of an ensemble of ``align``ed members, in their order.

    ``rule`` makes the probabilities of the ensemble, shape (N, K), of the members' (M, N, K); ``method`` is its name.
    Each member has one vote in the ``sampled_...`` columns, whatever its weight: they show how far the members differ.
    ``about`` merges the facts of all, with ``ensemble``, ``method`` and ``name`` (None: its method and members).
    """
    first = aligned[0]
    frames = [member.frame.reset_index(drop=True) for member in aligned]
    frame = _image_facts(frames)
    probabilities = rule(stacked_probabilities(aligned))
    frame["uncertainty"] = uncertainty_of(probabilities)
    frame[[PROBABILITY_PREFIX + class_name for class_name in first.classes]] = probabilities
    frame = frame.join(frames[0].filter(regex=f"^{BASELINE_PREFIX}"))  # of the images alone, whatever the networks are
    for column in (UPSIDE_DOWN, OUT_OF_DISTRIBUTION):
        if all(column in each for each in frames):
            frame[column] = np.mean([each[column].to_numpy(float) for each in frames], axis=0)
    votes = summarise(stacked_probabilities(aligned), first.classes)
    about = merge_facts([member.about for member in aligned])
    names = about.get("name")
    if not isinstance(names, list):
        names = [str(names)]
    about |= {"name": name or ensemble_name(method, len(aligned), names), "ensemble": len(aligned), "method": method}
    return Predictions(pd.concat([frame, votes], axis=1), first.classes, first.positive_class, about)


def _image_facts(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    frame = frames[0].filter([column for column in COLUMNS if column != "uncertainty"])
    for facts, column in product(frames[1:], frame.columns.intersection(list(FACTS))):
        if column in facts:  # a fact that one member's file lacks is taken from another's
            frame[column] = frame[column].where(frame[column].notna(), facts[column])
    return frame


def ensemble_name(method: str, members: int, names: list[str]) -> str:
    """Return the default name of an ensemble: its method, the number of its members, and their names."""
    kind = f"{method} ensemble".removeprefix("average ")
    return f"{kind} of {members}: {', '.join(map(str, names))}"


def _check_same_data(first: Predictions, other: Predictions, name: str, other_name: str) -> None:
    remedy = "combine runs of one data set and fold"
    if set(first.frame["image_id"]) != set(other.frame["image_id"]):
        if set(first.part("test").frame["image_id"]) == set(other.part("test").frame["image_id"]):
            remedy += "; --common keeps the validation images that all members have"
        elif first.about.get("fold") != other.about.get("fold"):
            remedy += "; different folds cannot form one ensemble, scripts/evaluate.py pools them"
    check_same_images(first, other, (name, other_name), ("part", "label"), remedy)
    if bool(first.about.get("synthetic")) != bool(other.about.get("synthetic")):
        raise UserError(f"one of {name} and {other_name} is synthetic: combine runs of one data set")
