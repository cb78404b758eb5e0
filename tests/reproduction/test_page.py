"""The page of a reproduced paper shows every printed figure, what it cost, and what is missing."""

import pandas as pd
import pytest
from PIL import Image

from karyocyte.workflows.papers import page
from karyocyte.workflows.papers.plan import COMPARISON, Options, make_plan
from karyocyte.workflows.papers.records import StepRecord

FIGURE = {"paper": "003", "experiment": "hem_all_cnn_32", "section": "table 1", "part": "test", "note": ""}
OURS = {"value": "0.921", "low": "0.905", "high": "0.934", "apart": None, "apart_low": None, "apart_high": None}
PART = "consistent, on 150 of 200 test images"
MISSING = "not run: the run keeps no test AUC"


@pytest.fixture
def plan(tmp_path):
    plan = make_plan("003", (), tmp_path / "out")
    plan.output.mkdir()
    return plan


def page_of(plan, *figures, runs=None, records=None):
    """Write the page of a measured figure and of one that is not, or of ``figures``."""
    measured = {**FIGURE, "metric": "f1_weighted", "headline": True, "printed": "0.9183", **OURS, "grade": PART}
    measured |= {"data": "cells", "measurement": 1, "deviations": "other strides; trainer.max_images=9"}
    missing = {**measured, **dict.fromkeys(OURS), "metric": "auc", "headline": False, "printed": "0.96"}
    missing |= {"grade": MISSING, "deviations": ""}
    rows = [{**measured, **figure} for figure in figures] or [measured, missing]
    pd.DataFrame(rows).to_csv(plan.output / COMPARISON, index=False)
    return page.write_page(plan, runs or {"paper": {}}, records or {}).read_text()


def test_the_page_has_each_figure_with_ours_and_the_grade(plan):
    text = page_of(plan)
    assert "0.9183" in text
    assert "0.921 <span>(0.905 to 0.934)</span>" in text
    assert text.count(MISSING) == 1
    assert text.count(PART) == 1
    assert text.count("on 150 of 200 test images") == 2  # beside the main figure, and below the table of all
    assert "deviations: other strides, trainer.max_images=9" in text
    assert "nan" not in text
    assert counts_of(text, "printed figures", "consistent", "not run") == "211"


def counts_of(text, *labels):
    """Return the digit of each tile."""
    return "".join(text.split(f"<dt>{label}</dt><dd><strong>")[1][0] for label in labels)


def test_experiments_without_a_run_are_one_table(plan):
    nothing = {**dict.fromkeys(OURS), "measurement": 0, "grade": "not run: no weights", "deviations": ""}
    text = page_of(plan, {}, nothing | {"experiment": "a"}, nothing | {"experiment": "a", "metric": "auc"})
    assert "Without a run" in text
    assert text.count("not run: no weights") == 1
    assert counts_of(text, "printed figures", "consistent", "not run") == "312"


def test_the_page_says_what_a_step_cost_and_whether_it_failed(plan):
    records = {"images": StepRecord("python scripts/prepare_data.py <x>", "", 1, 90.0)}
    text = page_of(plan, records=records)
    assert "1.5" in text  # minutes
    assert "failed" in text
    assert "&lt;x&gt;" in text  # nothing of a command is read as HTML


def test_the_mean_over_an_epoch_is_explained(plan):
    assert "mean over the batches of an epoch, with dropout" in page_of(plan, {"metric": "epoch_loss"})


def test_each_seed_and_fold_that_is_unfinished_counts(tmp_path):
    options = Options(("hem_all_cnn_32", "hem_all_cnn_64"), seeds=(0, 1), folds=(0, 1, 2), honest=True)
    plan = make_plan("003", (), tmp_path / "out", options)
    finished = {
        "paper": {"hem_all_cnn_32": ["a", "b"]},
        "honest": {"hem_all_cnn_32": ["c"] * 6, "hem_all_cnn_64": ["d"]},
    }
    assert page.warnings_of(plan, finished) == [
        "paper split: unfinished runs of hem_all_cnn_64 (2 of 2)",
        "honest split: unfinished runs of hem_all_cnn_64 (5 of 6)",
    ]


def test_pictures_and_reports_of_each_split_are_on_the_page(plan):
    (plan.output / "paper").mkdir()
    Image.new("RGB", (3, 3)).save(plan.output / "paper" / "layers-alexnet_mnist.png")
    (plan.output / "paper" / "report.html").write_text("x")
    text = page_of(plan)
    assert "layers-alexnet mnist, paper" in text
    assert 'src="data:image/png;base64,' in text
    assert '<a href="paper/report.html">' in text


def test_small_rates_of_the_search_are_no_zeros_and_our_settings_are_named(plan):
    folder = plan.output / "paper" / "search"
    folder.mkdir(parents=True)
    pd.DataFrame({"trial": [0], "params_unfreeze.lr": [1.3e-4]}).to_csv(folder / "trials.csv", index=False)
    text = page_of(plan)
    assert "0.00013" in text
    assert "Choices that are ours" in text
    assert "early_stopping" in text


def test_settings_that_are_ours_are_listed_once_with_the_remark_and_the_number_of_experiments(tmp_path):
    plan = make_plan("004", (), tmp_path / "out", Options(("vgg16_cut_block5", "vgg16_features")))
    plan.output.mkdir()
    text = page_of(plan)
    assert text.count("loader: {batch_size: 32}") == 1
    assert "ours: &#34;very low&#34; there" in text
    assert "prepare: {size: 224}" not in text  # paper 3.3.1 prints the size
