"""Sections of installed packages: what they find and show, and that no other is loaded."""

from types import SimpleNamespace

import pandas as pd
import pytest

from karyocyte.config.schema import AssignmentConfig, EvaluationConfig
from karyocyte.evaluation.plots import plots
from karyocyte.evaluation.pooling import added_sections
from karyocyte.evaluation.pooling.added_sections import AddedSection, turned_on
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.run.evaluate import evaluate_labelled
from karyocyte.evaluation.tables.results_csv import rows_of
from karyocyte.evaluation.tables.tables import classes_table, result_tables
from karyocyte.evaluation.tables.terminal import headline
from karyocyte.evaluation.types import result as results
from karyocyte.evaluation.types.added import Shown
from karyocyte.evaluation.types.result import EvaluationResult, warnings_about
from karyocyte.evaluation.types.table import Named, Table
from tests.helpers.predictions import make_run

ON = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))
OFF = EvaluationConfig(resamples=20)
CONFUSION = [[4, 1, 0], [0, 5, 0], [2, 0, 3]]


def find(runs, result):
    tables = {"own": pd.DataFrame({"images": [len(runs.test.labels)]})}
    return Findings("value", warnings_about("own", ["limited"]), tables, {"own": plots.confusion_matrix})


def show(result):
    accuracy = result.test.metrics["accuracy"]
    return Shown(
        table=Table.of("Own", [{"": result.more["own"]}]),
        figures={Named("owned", "Owned"): accuracy, Named("", "of pages"): accuracy},
        confusions={Named("own way"): CONFUSION},
        metrics={"own_metric": accuracy},
        details={"own_detail": accuracy},
    )


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """The names of the sections that are loaded, of the two that are installed."""
    names = []

    def entry(name, section):
        return SimpleNamespace(load=lambda: names.append(name) or section)

    sections = {
        "assignment.own": AddedSection(find, dict, lambda runs: len(runs) > 1, show),
        "assignment.silent": AddedSection(lambda *_: Findings(), dict, lambda runs: False, show),
    }
    installed = {name: entry(name, section) for name, section in sections.items()}
    for module in (added_sections, results):
        monkeypatch.setattr(module, "entries", lambda kind: installed)
    return names


def evaluated(settings):
    return evaluate_labelled(LabelledRuns.of([make_run(classes=("a", "b", "c"))], settings))


def test_a_section_that_is_off_is_not_loaded_and_its_key_is_null(loaded):
    content = evaluated(OFF).result.to_dict()
    assert (content["own"], content["silent"]) == (None, None)
    assert EvaluationResult.from_dict(content).more == {}
    assert loaded == []


def test_findings_are_in_the_result_and_read_again():
    evaluation = evaluated(ON)
    result = evaluation.result
    assert result.more == {"own": "value"}
    assert {"own"} <= evaluation.tables.keys() & evaluation.figures.keys()
    assert "own: limited" in result.to_dict()["warnings"]
    assert EvaluationResult.from_dict(result.to_dict()) == result


def test_what_a_section_shows_is_in_tables_lines_and_rows():
    result = evaluated(ON).result
    assert headline(result).endswith(f", owned {result.test.metrics['accuracy']}")
    assert "Own" in [table.title for table in result_tables(result)]
    assert [(each.recall_assigned, each.mistaken_for_assigned) for each in result.per_class] == [
        (0.8, "b"),
        (1.0, None),
        (0.6, "a"),
    ]
    assert classes_table(result).columns[-2:] == ("recall, own way", "then taken for")
    metrics = [row["metric"] for row in rows_of(result, "")]
    assert metrics.index("own_metric") < metrics.index("own_detail") < metrics.index("ece")


def test_a_switch_is_on_where_one_of_its_sections_fits_the_runs():
    assert turned_on(OFF, [make_run(), make_run(1)]) == ON
    assert turned_on(ON, [make_run()]) == OFF
    assert turned_on(ON, [make_run()], kept={"assignment.enabled"}) == ON
