"""The mean area within groups against scikit-learn's, and shares."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from common.config.schema import EvaluationConfig
from evaluation.homologues.statistics import MeanAuc, Scored, auc, share

SETTINGS = EvaluationConfig()


def scored(rng, count, shift, clusters=6):
    """Scores with ties, two groups and two folds; a cluster is in one fold."""
    cluster = rng.integers(clusters, size=count)
    group = rng.integers(2, size=count)
    return Scored(np.round(rng.normal(size=count) + shift, 1), group, cluster % 2, cluster)


def expected_auc(abnormal, normal, weights):
    """The mean over groups of the area of all pairs of scores of one fold, by scikit-learn."""
    areas = []
    for group in range(2):
        won = compared = 0.0
        for fold in range(2):
            of_block = [each.subset((each.group == group) & (each.fold == fold)) for each in (abnormal, normal)]
            labels = np.repeat([1, 0], [len(each.score) for each in of_block])
            weight = weights[np.concatenate([each.cluster for each in of_block])]
            scores = np.concatenate([each.score for each in of_block])
            count = weight[labels == 1].sum() * weight[labels == 0].sum()
            if count:
                won += count * roc_auc_score(labels, scores, sample_weight=weight)
            compared += count
        if compared:
            areas.append(won / compared)
    return np.mean(areas)


def test_areas_of_any_counts_of_clusters_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    abnormal = scored(rng, 150, 0.7)
    normal = scored(rng, 100, 0.0)
    counts = np.vstack([np.ones((1, 6)), rng.integers(3, size=(8, 6))])
    statistic = MeanAuc(abnormal, normal)
    expected = [expected_auc(abnormal, normal, weights) for weights in counts]
    np.testing.assert_allclose(statistic(counts)[0], expected)
    assert statistic.defined(counts).all()
    assert not statistic.defined(np.zeros((1, 6))).any()


def test_an_area_has_an_interval_by_cluster():
    rng = np.random.default_rng(1)
    found = auc(scored(rng, 300, 1.0, 30), scored(rng, 200, 0.0, 30), SETTINGS)
    assert found.low < found.value < found.high
    assert (found.clusters, found.method) == (30, "logit_t")


def test_an_area_without_normal_scores_is_undefined():
    rng = np.random.default_rng(2)
    nothing = scored(rng, 0, 0.0)
    assert auc(scored(rng, 10, 0.0), nothing, SETTINGS).value is None
    assert auc(nothing, nothing, SETTINGS).value is None


def test_a_share_has_an_interval_by_cluster():
    hits = np.repeat([True, False], [30, 10])
    found = share(hits, np.tile(np.arange(10), 4), SETTINGS)
    assert found.value == pytest.approx(0.75)
    none = share(np.zeros(40, dtype=bool), np.tile(np.arange(10), 4), SETTINGS)
    assert (none.value, none.low, none.method) == (0.0, 0.0, "exact")
    assert share(hits[:0], hits[:0].astype(int), SETTINGS).value is None
