"""Ensembles of the kept networks: their mean, and the weights that the genetic algorithm of paper 004 finds (3.4.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.seeds import seed_means
from karyocyte.evaluation.pooling.averaging import Combiner, align, combine
from karyocyte.evaluation.pooling.experiments import Group
from karyocyte.runs.predictions import Predictions
from karyocyte.workflows.ensembles.ensemble_request import GeneticConfig
from karyocyte.workflows.ensembles.genetic import fit
from karyocyte.workflows.ensembles.members import EnsembleMembers, group_members
from reproduction.difference import SETTINGS


def rows_of_ensembles(groups: Sequence[Group]) -> pd.DataFrame:
    """Return a row per ensemble of the networks of each split, and one for each of these.

    The members are the runs of the first seed, of each network those that saw most images. Weights are fitted on
    validation images. ``minus_first`` is the paired difference of weighted F1 to the first member.
    """
    rows = []
    for protocol in ("paper", "subject"):
        members = _members(groups, protocol)
        if len(members) < 2:
            continue
        predictions = _all_predictions(members)
        first = next(iter(predictions.values()))
        for name, runs in predictions.items():
            row: dict[str, object] = {"protocol": protocol, "members": len(members), "name": name}
            parts = [run.part("test") for run in runs]
            for metric, mean in seed_means(parts, SETTINGS).metrics.items():
                row |= mean.columns(metric)
            rows.append({**row, **_difference(runs, first)})
    return pd.DataFrame(rows)


def _all_predictions(members: Sequence[Group]) -> dict[str, list[Predictions]]:
    """Return the runs of each member and of each ensemble, one per fold, by name."""
    predictions = {group.label: list(group.runs) for group in members}
    runs = [run for group in members for run in group.runs]
    folds = group_members(runs, [name for group in members for name in group.names])
    for method in ("average", "genetic"):
        predictions[method] = [_combined(each, method) for each in folds]
    return predictions


def _members(groups: Sequence[Group], protocol: str) -> list[Group]:
    """Return most of the networks with the same test images, by their first seed; one that saw most images is first.

    Of several configurations of a network it is the one that saw most.
    """
    of_images: dict[tuple[frozenset[str], ...], dict[str, Group]] = {}
    for group in sorted(groups, key=lambda group: int(group.runs[0].about["images_seen"]), reverse=True):
        about = group.runs[0].about
        if (about["protocol"], about["seed"]) == (protocol, 0):
            tested = tuple(frozenset(run.part("test").frame["image_id"]) for run in group.runs)
            of_images.setdefault(tested, {}).setdefault(str(about["name"]), group)
    return list(max(of_images.values(), key=len, default={}).values())


def _combined(members: EnsembleMembers, method: str) -> Predictions:
    aligned = replace(members, members=tuple(align(members.members, members.names)))
    combiner = Combiner(method, np.full(len(aligned.members), 1 / len(aligned.members)))
    if method == "genetic":
        combiner = fit(aligned.problem, GeneticConfig(), 0)
    return combine(aligned.members, combiner.combine, method)


def _difference(runs: Sequence[Predictions], first: Sequence[Predictions]) -> Mapping[str, object]:
    if runs is first:
        return {}
    groups = [Group(label, tuple(each), ()) for label, each in (("this", runs), ("first", first))]
    (pair,) = compare_groups(groups, SETTINGS).pairs
    return pair.differences["f1_weighted"].columns("minus_first")
