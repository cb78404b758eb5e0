import numpy as np
import pandas as pd
import pytest

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions, uncertainty_of
from evaluation.cytogenetics.karyotypes import (
    COLUMNS,
    compare_detection,
    count_cells,
    known_kinds,
    tabulate_counts,
    tabulate_network,
)
from evaluation.homologues.decisions import ComparedCells
from tests.evaluation.cytogenetics.cells import karyotype, make_cells
from tests.helpers.predictions import ABOUT, make_run

DERIVED = ["number", "kind", "size", "compared"]
ASSIGNMENT = AssignmentConfig(enabled=True)
SENSITIVE = EvaluationConfig(threshold="sensitivity", sensitivity=0.95)
CELLS = [karyotype(), karyotype("XY"), karyotype("XY", ["21"]), karyotype(lost=["X"]), karyotype("XY", lost=["15"])]


def karyograms(kinds, scores, subjects=None, part="test", **about) -> Predictions:
    """Predictions of karyograms of cell_0000, cell_0001, ...; kinds that are not normal are abnormal."""
    scores = np.array(scores)
    frame = pd.DataFrame(
        {
            "image_id": [f"{part}_{number}_{about}" for number in range(len(kinds))],
            "path": "x.png",
            "label": ["normal" if kind == "normal" else "abnormal" for kind in kinds],
            "subject": subjects or [f"case_{number:04d}" for number in range(len(kinds))],
            "part": part,
            "cell": [f"cell_{number:04d}" for number in range(len(kinds))],
            "kind": kinds,
            "prob_normal": 1 - scores,
            "prob_abnormal": scores,
        }
    )
    frame["uncertainty"] = uncertainty_of(np.stack([1 - scores, scores], axis=1))
    return Predictions(frame, ("normal", "abnormal"), "abnormal", {**ABOUT, "fold": 0, **about})


def run_of(test: Predictions, validation: Predictions) -> Predictions:
    return Predictions(pd.concat([validation.frame, test.frame]), test.classes, test.positive_class, test.about)


def row(table, kind, method):
    (selected,) = table[(table["kind"] == kind) & (table["method"] == method)].to_dict("records")
    return pd.Series(selected)


def test_perfect_predictions_count_every_cell_exactly():
    cells = count_cells([make_cells(CELLS, skill=12.0, cells_per_subject=1)], ASSIGNMENT)
    assert list(cells["iscn"]) == ["46,XX", "46,XY", "47,XY,+21", "45,X", "45,XY,-15"]
    assert (cells["argmax_iscn"] == cells["iscn"]).all()
    assert (cells["assigned_iscn"] == cells["iscn"]).all()
    table = tabulate_counts(cells)
    assert tuple(table.columns) == COLUMNS
    assert row(table, "trisomy", "counted one by one")[
        ["cells", "found", "exactly", "cases", "cases_found"]
    ].tolist() == [1, 1, 1, 1, 1]
    assert row(table, "normal", "counted one by one")["found"] == 0


def test_lost_autosome_is_not_abnormal_but_unclear_counts_are():
    cells = pd.DataFrame(
        {
            "subject": ["a", "a", "b"],
            "cell": ["1", "2", "3"],
            "kind": "normal",
            "iscn": "46,XX",
            "argmax_kind": ["preparation_loss", "unclear", "normal"],
            "argmax_iscn": ["45,XX,-4", "46,XX,+4,-5", "46,XX"],
            "assigned_kind": "normal",
            "assigned_iscn": "46,XX",
        }
    )
    actual = row(tabulate_counts(cells), "normal", "counted one by one")
    assert (actual["found"], actual["cells"], actual["cases_found"], actual["exactly"]) == (1, 3, 1, 1)


def test_cells_are_counted_by_their_most_probable_karyotype():
    test = make_cells([karyotype("XY", ["18"])] * 2, skill=12.0)
    validation = make_cells(8, skill=3.0, part="validation", first=100)
    settings = EvaluationConfig(assignment=AssignmentConfig(costs="karyotype"))
    table = compare_detection([run_of(test, validation)], [], settings)
    actual = row(table, "trisomy", "counted, most probable karyotype")
    assert actual[["cells", "found", "exactly"]].tolist() == [2, 2, 2]


def test_interval_is_exact():
    # Of 10, all found: the lower end is 0.025 ** (1 / 10).
    many = count_cells([make_cells([karyotype("XY", ["21"])] * 10, skill=12.0)], ASSIGNMENT)
    actual = row(tabulate_counts(many), "trisomy", "counted, joint assignment")
    assert actual["low"] == pytest.approx(0.025 ** (1 / 10))
    assert actual["high"] == 1.0
    assert actual["cases"] == 5


def test_network_is_tabulated_by_kind_at_both_thresholds():
    test = karyograms(["normal", "trisomy", "trisomy", "inversion"], [0.1, 0.9, 0.3, 0.2])
    run = run_of(test, karyograms(["normal", "trisomy"], [0.1, 0.25], part="validation"))
    table = tabulate_network([run], SENSITIVE, test.frame)
    assert table["kind"].tolist() == ["trisomy", "normal", "inversion"] * 2
    assert row(table, "trisomy", "tiny, at 0.5")["found"] == 1
    assert row(table, "trisomy", "tiny, at the threshold")["found"] == 2
    assert row(table, "inversion", "tiny, at the threshold")["found"] == 0
    assert table["exactly"].isna().all()


def test_network_has_the_wanted_share_of_false_alarms():
    test = karyograms(["normal", "trisomy", "trisomy"], [0.1, 0.35, 0.25])
    # One of five normal validation karyograms may be above; the abnormal one does not count.
    validation = karyograms([*["normal"] * 5, "trisomy"], [0.1, 0.2, 0.2, 0.3, 0.9, 0.95], part="validation")
    table = tabulate_network([run_of(test, validation)], SENSITIVE, test.frame, 0.25)
    method = "tiny, at 25 % false alarms"
    assert row(table, "trisomy", method)[["cells", "found"]].tolist() == [2, 1]
    assert row(table, "normal", method)["found"] == 0
    with pytest.raises(UserError, match="no normal validation karyogram"):
        tabulate_network([test], SENSITIVE, test.frame, 0.25)


def test_each_fold_has_its_own_threshold():
    runs = []
    for fold, score in enumerate((0.2, 0.4)):
        test = karyograms(["trisomy"], [0.3], [f"case {fold}"], fold=fold)
        validation = karyograms(["normal", "trisomy"], [0.1, score], part="validation", fold=fold)
        runs.append(run_of(test, validation))
    table = tabulate_network(runs, SENSITIVE, pd.concat([run.frame for run in runs]))
    assert row(table, "trisomy", "tiny, at the threshold")[["cells", "found"]].tolist() == [2, 1]


def test_methods_are_compared_on_the_cells_of_both():
    counted = make_cells(CELLS, skill=12.0, cells_per_subject=1)
    test = karyograms(["normal", "inversion", "trisomy"], [0.1, 0.1, 0.9])
    run = run_of(test, karyograms(["normal", "trisomy"], [0.1, 0.25], part="validation"))
    table = compare_detection([counted], [run], EvaluationConfig())
    cells = table[table["method"] == "counted one by one"].set_index("kind")["cells"].to_dict()
    assert cells == {"trisomy": 1, "normal": 1}
    cells = table[table["method"] == "tiny, at 0.5"].set_index("kind")["cells"].to_dict()
    assert cells == {"trisomy": 1, "normal": 1, "inversion": 1}
    with pytest.raises(UserError, match="no cell is tested by all"):
        compare_detection([counted], [karyograms(["normal"], [0.1], ["someone else"])], EvaluationConfig())


def test_network_is_evaluated_on_counted_cells_and_all_derived_ones():
    test = karyograms(["normal", "trisomy", "trisomy", "inversion", "normal"], [0.9, 0.9, 0.3, 0.6, 0.1])
    run = run_of(test, karyograms(["normal", "trisomy"], [0.1, 0.25], part="validation"))
    cells = pd.DataFrame({"subject": ["case_0000", "case_0002", "case_0004"], "cell": ["cell_0000", "cell_0002", "x"]})
    table = tabulate_network([run], EvaluationConfig(), cells)
    actual = {kind: row(table, kind, "tiny, at 0.5")[["cells", "found"]].tolist() for kind in table["kind"].unique()}
    assert actual == {"trisomy": [1, 0], "normal": [1, 1], "inversion": [1, 1]}


def compared_cells(cells, derived) -> ComparedCells:
    """Cells by number and what is said of each; derived changes likewise, with kind and size."""
    tables = []
    for rows in (pd.DataFrame(cells, columns=["number", "compared"]), pd.DataFrame(derived, columns=DERIVED)):
        number = rows.pop("number").map("{:04d}".format)
        tables.append(rows.assign(subject="case_" + number, cell="cell_" + number))
    return ComparedCells(tables[0], tables[1].assign(cluster=np.arange(len(derived)) // 2), (), 0.05)


def test_cells_are_counted_or_compared():
    counted = make_cells([*CELLS, karyotype()], skill=12.0, cells_per_subject=1)
    derived = [(0, "deletion", 0.1, True), (0, "deletion", 0.3, False), (1, "deletion", 0.3, True)]
    derived += [(2, "deletion", 0.3, True), (1, "paracentric inversion", 0.3, False)]
    compared = compared_cells([(0, True), (1, False), (2, False), (3, True)], derived)
    table = compare_detection([counted], [], EvaluationConfig(), compared)
    found = table.set_index(["method", "kind", "sizes"])[["cells", "found"]].apply(tuple, axis=1).to_dict()
    real = {key[:2]: value for key, value in found.items() if not isinstance(key[2], str)}
    assert real["counted, joint assignment", "normal"] == (2, 0)
    assert [real["compared", kind] for kind in ("trisomy", "sex_aneuploidy", "normal")] == [(1, 0), (1, 1), (2, 1)]
    assert real["counted or compared", "trisomy"] == (1, 1)
    assert real["counted or compared", "normal"] == (2, 1)
    # Of the cell with the trisomy no change counts.
    assert found["compared", "interstitial_deletion", "all"] == (3, 2)
    assert found["compared", "interstitial_deletion", "0.2 to 0.4"] == (2, 1)
    assert found["counted or compared", "interstitial_deletion", "all"] == (3, 2)
    assert found["counted, joint assignment", "interstitial_deletion", "all"] == (3, 0)
    assert found["compared", "inversion", "all"] == found["compared", "paracentric_inversion", "all"] == (1, 0)
    assert table.columns.tolist() == list(COLUMNS)


def test_a_changed_cell_is_counted_as_it_was():
    cells = make_cells([karyotype()], skill=12.0)
    # One 21 is taken for a 22: counting calls the cell abnormal, changed or not.
    row_of_21 = cells.frame.index[cells.frame["label"] == "21"][0]
    cells.frame.loc[row_of_21, ["prob_21", "prob_22"]] = cells.frame.loc[row_of_21, ["prob_22", "prob_21"]].to_numpy()
    compared = compared_cells([(0, False)], [(0, "deletion", 0.3, False)])
    table = compare_detection([cells], [], EvaluationConfig(), compared)
    derived = table[(table["kind"] == "interstitial_deletion") & (table["sizes"] == "all")].set_index("method")
    assert derived.loc["counted one by one", "found"] == 1
    assert derived.loc["compared", "found"] == 0
    assert derived["exactly"].isna().all()


def test_intervals_of_changes_are_by_case():
    cells = make_cells(20, skill=12.0, cells_per_subject=1)
    derived = [(number, "deletion", 0.3, number < 10) for number in range(20) for _ in range(50)]
    compared = compared_cells([(number, False) for number in range(20)], derived)
    compared.derived["cluster"] = np.arange(len(derived)) // 50
    table = compare_detection([cells], [], EvaluationConfig(), compared)
    by_case = row(table[table["sizes"] == "all"], "interstitial_deletion", "compared")
    assert by_case["share"] == 0.5
    assert by_case["high"] - by_case["low"] > 0.35


def test_cells_that_no_run_on_chromosomes_tests_are_refused():
    cells = make_cells(2, skill=12.0)
    compared = compared_cells([(0, False), (2, False)], [(0, "deletion", 0.3, False)])
    with pytest.raises(UserError, match="same split and folds"):
        compare_detection([cells], [], EvaluationConfig(), compared)


def test_kinds_are_known_of_all_parts():
    test = make_cells(CELLS[:2], cells_per_subject=1)
    validation = make_cells(CELLS[2:4], part="validation", first=2, cells_per_subject=1)
    again = make_cells(CELLS[2:4], first=2, cells_per_subject=1, seed=1)  # the same cells in the test part of a fold
    kinds = known_kinds([run_of(test, validation), again])
    assert kinds["kind"].tolist() == ["trisomy", "sex_aneuploidy", "normal", "normal"]
    test.frame.loc[0, "label"] = None
    assert len(known_kinds([test])) == 1
    with pytest.raises(UserError, match="cannot be counted"):
        known_kinds([make_run()])


def test_runs_without_cells_or_kinds_are_refused():
    with pytest.raises(UserError, match="all, hem"):
        count_cells([make_run()], ASSIGNMENT)
    nameless = karyograms(["normal", "trisomy"], [0.1, 0.9])
    nameless.frame["kind"] = None
    with pytest.raises(UserError, match="composed_karyograms"):
        tabulate_network([nameless], EvaluationConfig(), nameless.frame)
