"""Rules of triage."""

import pytest

from karyocyte.config.schema import EvaluationConfig, TriageConfig
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.referral.evaluate_referral import triage
from karyocyte.evaluation.run.evaluate import evaluate_parts, evaluate_runs
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import join, make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20, triage=TriageConfig(sensitivity=0.9))


def findings(*runs, settings=SETTINGS):
    runs = LabelledRuns.of(runs, settings)
    return triage(runs, evaluate_parts(runs))


def release_of(*runs):
    """The figures of the release."""
    return findings(*runs).metrics["test", Kind.RELEASE]


def test_the_release_is_measured():
    run = make_run(images=100, skill=0.5)
    (release,) = findings(run).fields["triage"]
    kept = run.part("test").frame["prob_all"] >= release.threshold
    positives = run.part("test").frame["label"] == "all"
    metrics = release_of(run)
    assert 0 < metrics["review_share"].hits == kept.sum() < 100
    assert metrics["sensitivity"] == share((positives & kept).sum(), positives.sum(), 0.95)
    assert metrics["missed"].value == (positives & ~kept).sum()
    assert metrics["accuracy"] == share((~positives & ~kept).sum(), (~kept).sum(), 0.95)


def test_folds_choose_for_themselves_and_are_counted_together():
    runs = [make_run(fold, images=60, skill=0.5 + fold) for fold in range(2)]
    assert findings(*runs).fields == {"triage": [findings(run).fields["triage"][0] for run in runs]}
    single, pooled = list(map(release_of, runs)), release_of(*runs)
    for name in ("alone", "missed"):
        assert pooled[name].value == sum(each[name].value for each in single)
    for name in ("review_share", "sensitivity"):
        assert pooled[name].hits == sum(each[name].hits for each in single)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (make_predictions(), "no validation image of hem and all"),
        (join(make_run().part("validation"), with_scores([1, 1], [0.2, 0.9])), "no test image of hem"),
        (join(make_run().part("validation"), with_scores([None], [0.2])), "no test image of hem and all"),
        (make_run(classes=("a", "b", "c")), None),
    ],
)
def test_without_both_classes_there_is_a_warning_and_no_triage_and_of_more_classes_neither(run, reason):
    result = evaluate_runs([run], SETTINGS)
    assert result.triage is None
    warned = [line for line in map(str, result.warnings) if "triage: none" in line]
    assert warned == ([f"triage: none, {reason}"] if reason else [])
