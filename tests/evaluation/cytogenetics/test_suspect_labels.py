"""Cells whose labels are exchanged or shifted, among cells in which a network errs."""

import numpy as np
import pandas as pd
import pytest

from common.config.karyotype import KaryotypePriors
from common.errors import UserError
from common.predictions import PROBABILITY_PREFIX
from evaluation.cytogenetics.suspect_labels import COLUMNS, GAIN, OF_CELLS, find_suspects, suspect_table
from tests.evaluation.cytogenetics.cells import CLASSES, karyotype, make_cell_run, make_cells
from tests.evaluation.cytogenetics.test_karyotypes import run_of
from tests.helpers.predictions import make_run

PRIORS = KaryotypePriors()
# A cell 45,X whose labels from the 18 on are one too high, but for the first of the 17s.
SHIFT = {"18": "19", "19": "20", "20": "21", "21": "22", "22": "X", "X": "Y"}


@pytest.fixture(scope="module")
def validation():
    return make_cells(8, 5.0, part="validation", first=5000)


def relabel(run, cell, names):
    """Give the chromosomes of a cell other labels than their classes."""
    rows = run.frame["cell"] == cell
    run.frame.loc[rows, "label"] = run.frame.loc[rows, "label"].replace(names)
    return run


def test_exchanged_and_shifted_classes_are_found(validation):
    test = make_cells([karyotype("XX"), karyotype("XY"), karyotype("X"), karyotype("XY", ["21"])], 6.0)
    relabel(test, "cell_0001", {"9": "10", "10": "9"})
    relabel(test, "cell_0002", SHIFT)
    second = test.frame.index[(test.frame["cell"] == "cell_0002") & (test.frame["label"] == "17")][1]
    test.frame.loc[second, "label"] = "18"
    shifted, exchanged = find_suspects([run_of(test, validation)], PRIORS)
    assert exchanged.name == "cell_0001"
    assert exchanged.moves == {"9": "10", "10": "9"}
    assert len(exchanged.affected) == 4
    assert shifted.name == "cell_0002"
    assert shifted.moves == {"18": "17"} | {label: name for name, label in SHIFT.items()}
    assert shifted.gain > exchanged.gain > GAIN
    # Beside the moved ones, the 17 that has its right label.
    assert shifted.affected["moved"].value_counts().to_dict() == {True: 12, False: 1}


def test_the_table_has_a_row_per_chromosome_that_disagrees(validation):
    run = relabel(make_cells(2, 6.0), "cell_0000", {"1": "2", "2": "1"})
    suspects = find_suspects([run_of(run, validation)], PRIORS)
    table = suspect_table(suspects)
    assert table.columns.tolist() == [*COLUMNS, *OF_CELLS]
    assert table[["label", "predicted"]].to_numpy().tolist() == [["2", "1"]] * 2 + [["1", "2"]] * 2
    assert table[["case_id", "cell_id", "moved"]].drop_duplicates().to_numpy().tolist() == [
        ["case_0000", "cell_0000", "yes"]
    ]
    assert (table["probability"] > 0.99).all()
    assert (table["label_probability"] < 0.01).all()
    assert table["cell_chromosomes"].unique().tolist() == [4]
    assert set(table["cell_moves"].iloc[0].split()) == {"1>2", "2>1"}
    assert table["cell_gain"].iloc[0] == pytest.approx(suspects[0].gain)
    assert len(suspect_table([])) == 0


@pytest.mark.parametrize("skill", [3.0, 4.0, 5.0])
def test_ordinary_errors_are_not_suspect(skill):
    run = make_cell_run(cells=12, skill=skill)
    test = run.part("test")
    assert (test.probabilities.argmax(axis=1) != test.labels).any()
    assert find_suspects([run], PRIORS) == []


@pytest.mark.parametrize(
    "names",
    [
        {"X": "Y", "Y": "X"},  # two chromosomes
        {"4": "5"},  # the labels are no karyotype, and one class alone is moved
    ],
)
def test_a_single_class_or_too_few_chromosomes_are_not_suspect(validation, names):
    run = relabel(make_cells([karyotype("XY")], 6.0), "cell_0000", names)
    assert find_suspects([run_of(run, validation)], PRIORS) == []


def test_one_homologue_of_each_of_two_pairs_is_an_ordinary_error(validation):
    run = make_cells([karyotype("XY")], 6.0)
    rows = [run.frame.index[run.frame["label"] == name][0] for name in ("4", "5", "9", "10")]
    run.frame.loc[rows, "label"] = ["5", "4", "10", "9"]
    assert find_suspects([run_of(run, validation)], PRIORS) == []


def test_an_exchange_that_the_network_hardly_prefers_is_not_suspect(validation):
    run = relabel(make_cells([karyotype("XY")], 6.0), "cell_0000", {"9": "10", "10": "9"})
    of_pairs = run.frame["label"].isin(["9", "10"])
    nine, ten = PROBABILITY_PREFIX + "9", PROBABILITY_PREFIX + "10"
    columns = [PROBABILITY_PREFIX + name for name in CLASSES]
    run.frame.loc[of_pairs, columns] = 1e-6
    for label, values in {"9": (0.1, 0.9), "10": (0.9, 0.1)}.items():
        run.frame.loc[run.frame["label"] == label, [nine, ten]] = values
    assert find_suspects([run_of(run, validation)], PRIORS) == []


def test_cells_without_all_labels_or_without_a_karyotype_are_passed_over(validation):
    run = make_cells([karyotype("XY"), karyotype("XY")[:12]], 6.0)
    for cell in ("cell_0000", "cell_0001"):
        relabel(run, cell, {"1": "2", "2": "1"})
    run.frame.loc[45, "label"] = None
    assert find_suspects([run_of(run, validation)], PRIORS) == []


def test_runs_of_something_else_are_refused():
    with pytest.raises(UserError, match="1 to 22"):
        find_suspects([make_run()], PRIORS)


def test_folds_are_searched_together():
    first, second = make_cell_run(0, cells=2, skill=6.0), make_cell_run(1, cells=2, skill=6.0)
    relabel(second, "cell_0003", {"13": "14", "14": "15", "15": "13"})
    (suspect,) = find_suspects([first, second], PRIORS)
    assert (suspect.run, suspect.name, str(suspect)) == (1, "cell_0003", "13>15 14>13 15>14")
    assert isinstance(suspect.chromosomes, pd.DataFrame)
    assert np.isfinite(suspect.gain)
