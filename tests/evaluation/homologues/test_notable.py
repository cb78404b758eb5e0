"""Pairs that are worth looking at."""

import numpy as np
import pytest

from evaluation.homologues.items import ABNORMAL, PairItems
from evaluation.homologues.notable import LARGE, SPECIFICITY, PairGroup, notable_pairs
from tests.evaluation.homologues.made_up_pairs import made_up_run


@pytest.fixture(scope="module")
def items() -> PairItems:
    run, pairs = made_up_run(lambda size: 12 * size)
    return PairItems.of([run], [pairs])


@pytest.fixture(scope="module")
def groups(items) -> dict[str, PairGroup]:
    return {group.name: group for group in notable_pairs(items, 6)}


def test_groups_are_of_the_kinds_that_they_say(groups):
    assert list(groups) == ["sure", "false-alarms", "null-surgery", "missed", "in-doubt"]
    assert set(groups["sure"].pairs["kind"]) <= set(ABNORMAL)
    assert set(groups["false-alarms"].pairs["kind"]) == {"untouched"}
    assert set(groups["null-surgery"].pairs["kind"]) <= {"rejoined", "exchanged", "exchanged end"}
    assert (groups["missed"].pairs["size"] >= LARGE).all()
    assert set(groups["missed"].pairs["kind"]) <= set(ABNORMAL)


def test_each_group_begins_with_its_most_extreme_test_pair(items, groups):
    test = items.part("test")
    abnormal, normal = test[test["kind"].isin(ABNORMAL)], test[test["kind"] == "untouched"]
    assert groups["sure"].pairs["calibrated"].iloc[0] == abnormal["calibrated"].max()
    assert groups["false-alarms"].pairs["calibrated"].iloc[0] == normal["calibrated"].max()
    assert groups["missed"].pairs["calibrated"].iloc[0] == abnormal[abnormal["size"] >= LARGE]["calibrated"].min()
    apart = (test["calibrated"] - items.thresholds(SPECIFICITY)[0]).abs()
    assert groups["in-doubt"].pairs["image_id"].iloc[0] == test["image_id"][apart.idxmin()]


def test_a_case_shows_a_chromosome_once_in_a_group(groups):
    for group in groups.values():
        assert len(group.pairs) == 6
        assert not group.pairs.duplicated(["subject", "chromosome"]).any()


def test_what_is_above_the_threshold_is_found_and_called_by_the_most_probable_kind(items, groups):
    limit = items.thresholds(SPECIFICITY)[0]
    for group in groups.values():
        assert np.array_equal(group.pairs["found"], group.pairs["calibrated"] > limit)
    assert set(groups["sure"].pairs["called"]) <= {"deletion", "duplication", "inversion", "translocation"}
