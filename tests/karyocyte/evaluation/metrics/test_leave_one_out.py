"""Statistics without each cluster: sums less those of each, against computing them one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyocyte.evaluation.metrics import leave_one_out
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.sections.calibration import weighted_calibration


def _labelled(seed, images, classes, clusters):
    """Draw predictions with ties among the probabilities; ``clusters`` of uneven size, each with an image at least."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 6, size=(images, classes)).astype(np.float64)
    cluster = np.append(np.arange(clusters), rng.integers(clusters, size=images - clusters))
    return LabelledPredictions(
        labels=rng.integers(classes, size=images),
        probabilities=weights / weights.sum(axis=1, keepdims=True),
        classes=tuple("abcd"[:classes]),
        positive_index=1 if classes == 2 else None,
        clusters=cluster,
    )


def assert_agree(statistic, labelled):
    """Compare with the statistic of counts that lack a cluster, or have it alone."""
    alone = np.eye(labelled.cluster_count)
    np.testing.assert_allclose(statistic.without_each, statistic(1 - alone), atol=1e-10)
    np.testing.assert_array_equal(np.isnan(statistic.of_each), np.isnan(statistic(alone)))


@given(seed=st.integers(0, 10**6), images=st.integers(2, 60), classes=st.integers(2, 4), share=st.floats(0, 1))
@settings(max_examples=60)
def test_statistics_without_each_cluster(seed, images, classes, share):
    """Every registered metric, calibration, and a mean over folds, of which a cluster may be in one or in both."""
    labelled = _labelled(seed, images, classes, clusters=max(2, round(share * images)))
    assert_agree(WeightedMetrics(labelled), labelled)
    assert_agree(weighted_calibration(labelled, bins=5), labelled)
    folds = [WeightedMetrics(labelled, rows=rows) for rows in (slice(images // 2), slice(images // 2, None))]
    assert_agree(leave_one_out.Combined(folds, lambda values: np.mean(values, axis=0)), labelled)


def test_batches_do_not_change_values(monkeypatch: pytest.MonkeyPatch):
    """A batch may be smaller than the clusters."""
    labelled = _labelled(0, 60, 3, 60)
    whole = WeightedMetrics(labelled).without_each
    monkeypatch.setattr(leave_one_out, "BATCH_ELEMENTS", 100)
    np.testing.assert_array_equal(WeightedMetrics(labelled).without_each, whole)
