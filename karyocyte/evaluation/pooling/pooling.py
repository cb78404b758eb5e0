"""The test images of several folds as one set: every image once, predicted by a model that never saw it."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.config.task import check_same_classes
from karyocyte.runs.predictions import VALIDATION, Predictions

COSTS = ("images_seen", "wall_seconds")


def pool(runs: Sequence[Predictions]) -> Predictions:
    """Join the test rows of several runs (out-of-fold pooling); ``about`` as ``merge_facts`` says.

    Raises:
        UserError: No run; classes, protocols, experiments, configurations or sources differ; synthetic and real images
            meet; or an image is in the test part of two runs.
    """
    if not runs:
        raise UserError("nothing to pool: name at least one run")
    first = runs[0]
    for run in runs[1:]:
        _check_alike(first, run)
    frame = pd.concat([run.part("test").frame for run in runs], ignore_index=True)
    twice = frame["image_id"][frame["image_id"].duplicated()]
    # Validation parts of folds may rightly overlap, test parts may not: the remedies differ.
    if len(twice) and first.about.get("on") == VALIDATION:
        raise UserError(
            f"{len(twice)} images are in the validation part of more than one run, {twice.iloc[0]} first: evaluate the "
            "folds one by one"
        )
    if len(twice):
        raise UserError(
            f"{len(twice)} test images are in more than one run, {twice.iloc[0]} first: pool different folds of one "
            "experiment (same split, one seed each)"
        )
    return Predictions(frame, first.classes, first.positive_class, merge_facts([run.about for run in runs]))


def _check_alike(first: Predictions, run: Predictions) -> None:
    check_same_classes("one run", first, "another", run, "name runs of one task")
    # The folds of one experiment differ in fold and seed alone.
    for fact in ("protocol", "name", "source", "on", "config", "folds"):
        if run.about.get(fact) != first.about.get(fact):
            raise UserError(
                f"runs of {fact} {first.about.get(fact)} and {run.about.get(fact)} cannot be pooled: "
                "name the folds of one experiment on one data set, or evaluate them apart"
            )
    if bool(run.about.get("synthetic")) != bool(first.about.get("synthetic")):
        raise UserError("synthetic and real images cannot be pooled: evaluate these runs apart")


def check_same_images(
    first: Predictions, other: Predictions, names: Sequence[str], facts: Sequence[str], remedy: str
) -> None:
    """Refuse predictions of other classes or images, or ones with other ``facts`` of an image, such as its label.

    Raises:
        UserError: It says what differs, by the ``names`` of both.
    """
    check_same_classes(names[0], first, names[1], other, remedy)
    one, two = (each.frame.set_index("image_id").sort_index() for each in (first, other))
    if only := set(one.index) ^ set(two.index):
        raise UserError(f"{len(only)} images, {min(only)} first, are in {names[0]} or {names[1]} alone: {remedy}")
    for fact in facts:
        differs = (one[fact] != two[fact]) & (one[fact].notna() | two[fact].notna())
        if differs.any():
            image = differs.idxmax()
            values = f"{one[fact][image]} in {names[0]}, {two[fact][image]} in {names[1]}"
            raise UserError(f"the {fact} of {differs.sum()} images differs, {image} first: {values}: {remedy}")


def merge_facts(abouts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the facts of several runs: those that differ as sorted lists, what the runs cost (COSTS) added up."""
    merged: dict[str, Any] = {}
    for key in chain.from_iterable(abouts):
        different: list[Any] = []
        for about in abouts:
            if about.get(key) not in different:
                different.append(about.get(key))
        # Numbers in their order, others as text, by type where types are mixed.
        different.sort(key=lambda value: (str(type(value)), value if isinstance(value, int | float) else str(value)))
        merged[key] = different
        if len(different) == 1:
            merged[key] = different[0]
    for cost in merged.keys() & COSTS:
        values = [about.get(cost) for about in abouts]
        merged[cost] = None if None in values else sum(values)
    return merged


def is_balanced(about: Mapping[str, Any]) -> bool:
    """Tell by its facts whether a run, or an ensemble, has learned equal shares of the classes (``balance``).

    Raises:
        UserError: Some members have and others have not.
    """
    balanced = about.get("balanced")
    values = set(map(bool, balanced if isinstance(balanced, list) else [balanced]))
    if len(values) > 1:
        raise UserError(
            "some runs were trained with balanced classes (balance=...) and others without: their probabilities "
            "cannot be averaged, name runs of one kind"
        )
    return values.pop()
