"""Whole cells called by their most abnormal pair."""

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.predictions import Predictions
from evaluation.homologues.decisions import KEYS, compare_cells, refuse_untested
from evaluation.homologues.items import CONTROL, NORMAL, PARTNER, TRANSLOCATION
from tests.evaluation.homologues.made_up_pairs import made_up_run


def kinds_of(pairs, kind="normal"):
    return pairs[KEYS].drop_duplicates().assign(kind=kind)


def validation_cells(pairs):
    return pairs.loc[pairs["part"] == "validation", "cell"].unique()


def test_few_normal_validation_cells_are_above_the_threshold():
    predictions, pairs = made_up_run(lambda size: 0.0, validation=40, cases=200)
    compared = compare_cells([predictions], [pairs], kinds_of(pairs), 0.1)
    (threshold,) = compared.thresholds
    assert (threshold.fold, threshold.cells, threshold.left_out) == (0, 80, 0)
    assert compared.cells["compared"].mean() == pytest.approx(0.1, abs=0.1)
    assert len(compared.cells) == 400
    strict = compare_cells([predictions], [pairs], kinds_of(pairs), 0.01)
    assert strict.thresholds[0].value > threshold.value


def test_changes_of_any_size_are_found_by_a_perfect_comparison():
    predictions, pairs = made_up_run(lambda size: 100.0)
    compared = compare_cells([predictions], [pairs], kinds_of(pairs), 0.05)
    assert compared.derived["compared"].all()
    # 40 test cells of 5 pairs; the partner of a translocation is no cell of its own.
    assert compared.derived["kind"].value_counts().to_dict() == dict.fromkeys(
        set(pairs["kind"]) - {*NORMAL, CONTROL, PARTNER}, 200
    )
    subsets = {(kind, sizes): rows for kind, sizes, rows in compared.subsets(compared.derived)}
    assert len(subsets["inversion", "all"]) == 400
    assert subsets["duplication", "0.2 to 0.4"]["size"].between(0.2, 0.4).all()
    assert 0 < len(subsets["duplication", "0.2 to 0.4"]) < 200


def test_a_translocation_is_found_by_its_partner():
    predictions, pairs = made_up_run(lambda size: 0.0)
    pairs.loc[pairs["kind"] == PARTNER, "score"] += 1000
    derived = compare_cells([predictions], [pairs], kinds_of(pairs), 0.05).derived
    assert derived.groupby("kind")["compared"].mean().idxmax() == TRANSLOCATION
    assert derived.loc[derived["kind"] == TRANSLOCATION, "compared"].all()


@pytest.mark.parametrize("kind", ["trisomy", None])
def test_only_validation_cells_known_to_be_normal_choose_the_threshold(kind):
    predictions, pairs = made_up_run(lambda size: 0.0)
    strange = pairs["cell"] == validation_cells(pairs)[0]
    kinds = kinds_of(pairs)
    if kind:
        kinds.loc[kinds["cell"] == validation_cells(pairs)[0], "kind"] = kind
    else:
        kinds = kinds[kinds["cell"] != validation_cells(pairs)[0]]
    found = compare_cells([predictions], [pairs], kinds, 0.05)
    pairs.loc[strange, "score"] += 1000
    (threshold,) = compare_cells([predictions], [pairs], kinds, 0.05).thresholds
    assert threshold == found.thresholds[0]
    assert (threshold.cells, threshold.left_out) == (15, 1)


def test_each_fold_has_its_own_threshold():
    folds = [made_up_run(lambda size: 0.0, seed=fold, fold=fold) for fold in range(2)]
    kinds = pd.concat([kinds_of(pairs) for _, pairs in folds])
    both = compare_cells(*zip(*folds, strict=True), kinds, 0.05)
    alone = [compare_cells([predictions], [pairs], kinds, 0.05) for predictions, pairs in folds]
    assert both.thresholds == tuple(each.thresholds[0] for each in alone)
    cells = pd.concat([each.cells for each in alone], ignore_index=True)
    merged = both.cells.merge(cells, on=KEYS)
    assert len(merged) == len(cells)
    assert (merged["compared_x"] == merged["compared_y"]).all()


def test_what_cannot_be_compared_is_refused():
    predictions, pairs = made_up_run(lambda size: 0.0)
    with pytest.raises(UserError, match="all folds"):
        compare_cells([predictions], [pairs], kinds_of(pairs, "trisomy"), 0.05)
    with pytest.raises(UserError, match="more than one run"):
        compare_cells([predictions] * 2, [pairs] * 2, kinds_of(pairs), 0.05)
    other = Predictions(predictions.frame, predictions.classes, "abnormal", {**predictions.about, "config": "0" * 8})
    with pytest.raises(UserError, match="config"):
        compare_cells([predictions, other], [pairs] * 2, kinds_of(pairs), 0.05)


def test_cells_that_are_not_tested_are_named():
    cells = pd.DataFrame({"subject": ["a", "a", None], "cell": ["1", "2", "3"]})
    refuse_untested(cells, cells.iloc[::-1])
    refuse_untested(cells, cells.assign(subject=["a", "a", np.nan]))
    with pytest.raises(UserError, match="1 test cells .* cell 2 of case a first"):
        refuse_untested(cells, cells.drop(1))
