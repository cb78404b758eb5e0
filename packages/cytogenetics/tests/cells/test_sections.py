"""Cells in what an evaluation writes and shows."""

from cytogenetics.cells.assigned import ASSIGNED
from karyocyte.config.schema import AssignmentConfig, EvaluationConfig
from karyocyte.evaluation.pooling.sections import turned_on
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.sentence import sentence
from packages.cytogenetics.tests.cells.cells import make_cell_run, make_cells
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))


def test_the_accuracy_of_the_joint_assignment_is_seen_first():
    result = evaluate_runs([make_cells(6, skill=3.0)], SETTINGS)
    accuracy = result.of(ASSIGNED)["accuracy_assigned"]
    assert f"; {accuracy} of the chromosomes named jointly are right; " in sentence(result)


def test_whole_cells_turn_the_assignment_on_where_no_key_does():
    off = EvaluationConfig(resamples=20)
    cells, others = [make_cell_run(cells=2)], [make_run()]
    assert turned_on(off, cells) == SETTINGS
    assert turned_on(SETTINGS, others) == off
    assert turned_on(SETTINGS, others, kept={"assignment.enabled"}) == SETTINGS
