"""The sections of users are checked before a training; those of packages are loaded where they are turned on."""

from types import SimpleNamespace

import pytest

from karyocyte.common.errors import UserError
from karyocyte.config.schema import AssignmentConfig, EvaluationConfig
from karyocyte.evaluation.pooling import sections
from karyocyte.evaluation.pooling.sections import Findings, own_sections, turned_on
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.types import added
from karyocyte.evaluation.types.result import EvaluationResult, Interval, warnings_about
from tests.helpers.predictions import make_run

FITTING = "karyocyte.evaluation.run.evaluate.figures"
OFF = EvaluationConfig(resamples=20)
ON = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"_target_": FITTING, "names": 3}, "unexpected keyword argument 'names'; correct"),
        ({"_target_": "math.pi"}, "Expected a callable target"),
        ({"_target_": "math.dist"}, "returns something else"),
        ({"_target_": "absent.module.function"}, "No module named 'absent.*; correct"),
    ],
)
def test_a_function_that_does_not_fit_is_one_error(entry, message):
    assert len(own_sections(EvaluationConfig(extra={"own": {"_target_": FITTING}}))) == 1
    with pytest.raises(UserError, match=rf"evaluation\.extra\.own: .*{message}"):
        own_sections(EvaluationConfig(extra={"own": entry}))


@pytest.fixture
def loaded(monkeypatch):
    """The kinds of what is loaded of a package whose section counts the test images."""

    def find(runs, _):
        figures = {("test", "package counted"): {"all": Interval(len(runs.test.labels))}}
        return Findings(warnings=warnings_about("counted", ["all"]), metrics=figures)

    def show(result, shown):
        shown.figures["images"] = result.of("package counted")["all"]

    kinds = []
    package = {
        "sections": {"assignment.counted": find},
        "results": {"counted": show},
        "switches": {"assignment": lambda *runs: None if len(runs) > 1 else "one run"},
    }

    def entries(kind):
        ((name, named),) = package[kind].items()
        return {name: SimpleNamespace(load=lambda: kinds.append(kind) or named)}

    for module in (sections, added):
        monkeypatch.setattr(module, "entries", entries)
    return kinds


def test_a_section_of_a_package_is_in_what_is_written_read_and_shown_and_not_loaded_where_it_is_off(loaded):
    assert sentence(evaluate_runs([make_run()], OFF)).endswith(").")
    assert loaded == []
    evaluated = evaluate_runs([make_run()], ON)
    content = evaluated.to_dict()
    assert {"topic": "counted", "text": "all"} in content["warnings"]
    assert EvaluationResult.from_dict(content) == evaluated
    assert sentence(evaluated).endswith("; 60.000 of the images.")


def test_a_switch_is_on_where_the_package_does_not_refuse_the_runs(loaded):
    assert turned_on(OFF, [make_run(), make_run(1)]) == ON
    assert turned_on(ON, [make_run()]) == OFF
    assert turned_on(ON, [make_run()], kept={"assignment.enabled"}) == ON


def test_what_no_installed_package_can_do_is_refused_with_a_remedy(loaded, monkeypatch):
    assert len(own_sections(ON)) == 0
    monkeypatch.setattr(sections, "entries", lambda kind: {})
    assert own_sections(OFF) == []
    with pytest.raises(UserError, match=r"make setup, or set evaluation\.assignment\.enabled=false"):
        own_sections(ON)
