"""Which new images a person looks at."""

import numpy as np
import pytest

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.core.labelled import cases
from evaluation.evaluate import judge
from evaluation.uncertainty.flags import Chosen, choose, chosen_by, flag, known_rules, rule_lines
from evaluation.uncertainty.selective import choose_release
from evaluation.uncertainty.triage import decide
from tests.helpers.predictions import make_predictions, make_run, with_passes

SETTINGS = EvaluationConfig(resamples=20)


@pytest.fixture(scope="module")
def run():
    return with_passes(make_run(images=80, skill=1.0))


@pytest.fixture(scope="module")
def chosen(run):
    return chosen_by(judge(run, SETTINGS))


def test_a_run_and_its_judgement_choose_the_same(run, chosen):
    again = choose(run, SETTINGS)
    assert (again.threshold, again.temperature, again.release) == (chosen.threshold, chosen.temperature, chosen.release)
    assert again.notes == chosen.notes
    assert any("vouch for a sensitivity of" in note for note in chosen.notes)


@pytest.mark.parametrize("rules", [["votes"], ["release"], ["joint"], ["votes", "positive"], ["joint", "positive"]])
def test_each_rule_sends_to_a_person_whom_the_triage_of_the_run_sent(run, chosen, rules):
    validation, test = cases(run.part("validation")), cases(run.part("test"))
    decided = decide(validation, test, choose_release(validation.scored, SETTINGS), SETTINGS)
    table = flag(run.part("test"), chosen, rules)
    review = decided["_".join(rules)].review
    if "positive" in rules:  # here the call without passes counts as well
        review = review | (test.plain.called == test.scored.positive_index)
    assert (table["review"] == review).all()
    assert 0 < table["review"].sum() < len(table)


def test_the_truth_is_not_read(run, chosen):
    test = run.part("test")
    test.frame["label"] = None
    assert flag(test, chosen, ["votes", "release"])["review"].any()


def test_what_cannot_be_applied_is_left_out_or_refused(chosen):
    assert known_rules(chosen, True, "all", None) == ["votes", "release"]
    assert known_rules(chosen, False, "all", None) == ["release"]
    assert known_rules(Chosen(0.8), False, None, None) == []
    for name in ("votes", "joint", "release", "positive", "nobody"):
        with pytest.raises(UserError, match=f"--rules {name}"):
            known_rules(Chosen(0.8), False, None, [name])


def test_nothing_is_left_to_a_machine_that_nobody_vouches_for():
    predictions = make_predictions(images=5, classes=("a", "b", "c"))
    table = flag(predictions, Chosen(0.8), [])
    assert table["review"].all()
    assert table["called_at_threshold"].isna().all()
    assert (table["called"] == np.array(["a", "b", "c"])[predictions.probabilities.argmax(axis=1)]).all()
    assert "every image" in rule_lines(Chosen(0.8), [], None)[0]


def test_a_judgement_without_triage_or_calibration_is_read():
    judgement = {"settings": {}, "threshold": {"value": 0.4, "reason": None}, "positive_class": "all"}
    assert chosen_by(judgement) == Chosen(0.8, 0.4)
