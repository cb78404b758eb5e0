from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common.config.karyotype import KaryotypePriors
from common.errors import UserError
from common.karyotype import REFER_BELOW
from evaluation.cytogenetics.cell_posteriors import cell_posteriors, chromosome_temperature, log_probabilities
from evaluation.cytogenetics.posterior import karyotype_posterior
from evaluation.cytogenetics.referral import (
    TEST,
    TEST_LABELS,
    VALIDATION,
    cell_table,
    referral_table,
    reliability_table,
    write_referral,
)
from evaluation.ensembles.averaging import average
from tests.evaluation.cytogenetics.cells import karyotype, make_cell_run, make_cells
from tests.evaluation.cytogenetics.test_karyotypes import run_of
from tests.helpers.predictions import make_run

PRIORS = KaryotypePriors()


def cells_with(probabilities, correct, subjects=None, refer_below=0.5):
    cells = {"subject": subjects, "probability": probabilities, "correct": correct, "refer_below": refer_below}
    return pd.DataFrame(cells | {"refer": np.array(probabilities) < 0.95})


def test_a_row_per_cell_of_all_folds_with_the_karyotype_of_its_labels():
    validation = make_cells(6, 4.0, part="validation", first=5000)
    truth = [karyotype("XX", ["21"]), karyotype(), karyotype("XY")[:20]]
    cells = cell_table([run_of(make_cells(truth, 6.0), validation), make_cell_run(1, cells=3, skill=6.0)], PRIORS)
    assert cells["iscn"].tolist()[:2] == cells["predicted"].tolist()[:2] == ["47,XX,+21", "46,XX"]
    assert cells["correct"].tolist() == [True, True, False, True, True, True]
    assert cells["chromosomes"].tolist() == [47, 46, 20, 46, 46, 46]
    assert cells["predicted"].isna().tolist() == [False, False, True, False, False, False]
    assert cells["probability"][2] == 0
    assert (cells["with_case"].dropna() == cells["predicted"].dropna()).all()  # sure, and each of its own subject


def test_the_least_probable_cells_are_referred_first():
    probabilities = np.linspace(1, 0.01, 100)
    correct = np.ones(100, bool)
    correct[[97, 90]] = False
    table = referral_table(cells_with(probabilities, correct))
    assert set(table["chosen_by"][:-2]) == {TEST}
    table = table[:-2].set_index("referred_cells")
    assert table["wrong"].to_dict() == {0: 2, 1: 2, 2: 2, 5: 1, 10: 0, 20: 0}
    assert table.loc[10, "threshold"] == pytest.approx(probabilities[89])
    assert table.loc[10, "high"] == pytest.approx(1 - 0.025 ** (1 / 90))


def test_what_the_test_labels_choose_is_told_from_what_validation_chooses():
    """The last wrong cell is the 31st; of the two runs, validation refers what is below 0.1 and 0.6."""
    probabilities = np.tile(np.linspace(0.01, 1, 50), 2)
    correct = np.ones(100, bool)
    correct[[15, 60]] = False
    table = referral_table(cells_with(probabilities, correct, refer_below=np.repeat([0.1, 0.6], 50)))
    table = table.set_index("chosen_by")
    assert table.loc[TEST_LABELS, "referred_cells"] == 32
    assert table.loc[TEST_LABELS, "wrong"] == 0
    referred = int((probabilities[:50] < 0.1).sum() + (probabilities[:50] < 0.6).sum())
    assert table.loc[VALIDATION, "referred_cells"] == referred
    assert table.loc[VALIDATION, "wrong"] == 1


def test_incomplete_and_unclear_cells_are_referred_as_by_karyotype_py():
    validation = make_cells(6, 4.0, part="validation", first=5000)
    truth = [karyotype(), karyotype("XX", ["21"]), karyotype(lost=["8"]), karyotype("XX", ["1", "2"])]
    cells = cell_table([run_of(make_cells(truth, 12.0), validation)], PRIORS)
    assert cells["refer"].tolist() == [False, False, True, True]
    last = referral_table(cells).iloc[-1]
    assert (last["chosen_by"], last["referred_cells"], last["wrong"]) == ("karyotype.py", 2, 0)


def test_cells_that_the_model_does_not_fit_are_referred_as_by_karyotype_py():
    validation = make_cells(6, 4.0, part="validation", first=5000)
    test = make_cells([karyotype()], 12.0)
    unfit = test.frame["label"].isin(["1", "2", "3", "4", "5", "6"])  # twelve of 46, which then fill what is left
    test.frame.loc[unfit, test.frame.columns.str.startswith("prob_")] = 1 / 24
    cell = cell_table([run_of(test, validation)], PRIORS).iloc[0]
    assert cell["probability"] > REFER_BELOW
    assert cell["refer"]


def test_of_equal_probabilities_the_wrong_ones_are_left():
    correct = [False] + [True] * 19
    assert referral_table(cells_with([0.9] * 20, correct))["wrong"].tolist()[:4] == [1, 1, 1, 1]


def test_the_interval_of_cases_counts_each_case_once():
    subjects = np.repeat(["a", "b", "c", None], 5)
    correct = np.ones(20, bool)
    correct[:3] = False
    table = referral_table(cells_with(np.ones(20), correct, subjects)).iloc[0]
    assert (table["cases"], table["wrong_cases"]) == (8, 1)  # the last five are of unknown cases
    assert table["cases_high"] > table["high"]
    sure = referral_table(cells_with(np.ones(20), np.ones(20, bool), subjects)).iloc[0]
    assert sure["cases_high"] == pytest.approx(1 - 0.025 ** (1 / 8))


def test_the_threshold_of_a_run_refers_five_percent_of_its_validation_cells():
    run = make_cell_run(cells=20, skill=3.0)
    (threshold,) = cell_table([run], PRIORS)["refer_below"].unique()
    validation = [cell.posterior.best.probability for cell in cell_posteriors(run, PRIORS, "validation")]
    assert (np.array(validation) < threshold).sum() == 1


def test_the_karyotypes_of_a_run_are_by_the_shares_that_it_has_learned():
    run = make_cell_run(skill=3.0)
    balanced = replace(run, about={**run.about, "balanced": True})
    natural, equal = (cell_posteriors(each, PRIORS)[0] for each in (run, balanced))
    logs = log_probabilities(run.part("test"), chromosome_temperature(run))[natural.rows]
    for cell, is_balanced in ((natural, False), (equal, True)):
        expected = karyotype_posterior(logs, PRIORS, balanced=is_balanced)
        assert np.array_equal(cell.posterior.marginals, expected.marginals)
    assert not np.allclose(natural.posterior.marginals, equal.posterior.marginals)
    mixed = average([run, balanced], ["a", "b"])
    with pytest.raises(UserError, match="name runs of one kind"):
        cell_posteriors(mixed, PRIORS)


def test_without_a_wrong_karyotype_none_is_referred():
    table = referral_table(cells_with([0.9] * 10, [True] * 10))
    assert (table["wrong"] == 0).all()


def test_reliability_counts_each_cell_once():
    table = reliability_table(cells_with([0.0, 0.4, 0.995, 1.0, 1.0], [False, True, True, True, False]))
    assert table["cells"].tolist() == [2, 1, 2]
    assert table["up_to"].tolist() == [0.5, 0.999, 1.0]
    assert table["correct"].tolist() == [0.5, 1.0, 0.5]


def test_the_tables_and_the_figure_are_written(tmp_path):
    write_referral(tmp_path / "referral", [make_cell_run(cells=4)], PRIORS)
    assert len(pd.read_csv(tmp_path / "referral" / "cells.csv")) == 4
    assert {path.name for path in (tmp_path / "referral").iterdir()} == {
        "cells.csv",
        "referral.csv",
        "referral.png",
        "reliability.csv",
    }


def test_what_has_no_cells_is_refused():
    with pytest.raises(UserError, match="1 to 22"):
        cell_table([make_run()], PRIORS)
    unlabelled = make_cells(3, part="validation", first=5000)
    unlabelled.frame["label"] = None
    with pytest.raises(UserError, match="calibrated"):
        cell_table([run_of(make_cells(2), unlabelled)], PRIORS)


def test_validation_cells_without_an_error_do_not_sharpen_the_probabilities():
    assert chromosome_temperature(make_cell_run(cells=1, skill=9.0)) == 1
    assert chromosome_temperature(make_cell_run(cells=20, skill=3.0)) == pytest.approx(1, abs=0.2)


def test_karyotypes_are_of_each_image_without_its_cell():
    plain = make_cell_run(1, cells=3, skill=6.0)
    columns = [name for name in plain.frame if name.startswith("prob_")]
    names = [name.replace("prob_", "alone_") for name in columns]
    both = replace(plain, frame=plain.frame.assign(**dict.fromkeys(names)))
    both.frame[names] = plain.frame[columns].to_numpy()
    both.frame[columns] = 1 / len(columns)  # a context that knows nothing
    assert cell_table([both], PRIORS).equals(cell_table([plain], PRIORS))
