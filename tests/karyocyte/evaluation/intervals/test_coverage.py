"""The intervals cover the truth of synthetic data sets about as often as they say."""

import pytest

from benchmarks.interval_coverage import SUBJECTS, WORLDS, measure
from karyocyte.config.schema import EvaluationConfig


@pytest.mark.slow
def test_intervals_of_the_auc_cover_the_truth_more_often_than_the_bootstrap_where_subjects_are_few():
    table = measure(WORLDS[0], SUBJECTS[0], EvaluationConfig(resamples=200), 150)
    covered = table[table["metric"] == "auc"].set_index("method")["share"]
    assert covered["logit_t"] > 0.89
    assert covered["logit_t"] > covered["percentile"]
