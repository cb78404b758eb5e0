"""The page of a reproduced paper shows every printed figure, what it cost, and what is missing."""

import pandas as pd
import pytest
from PIL import Image

from reproduction import page
from reproduction.plan import COMPARISON, Options, make_plan

FIGURE = {"paper": "003", "experiment": "hem_all_cnn_32", "section": "table 1", "part": "test", "note": ""}
OURS = {"value": "0.921", "low": "0.905", "high": "0.934", "apart": None, "apart_low": None, "apart_high": None}
PART = "consistent, on 150 of 200 test images"
MISSING = "not run: the run keeps no test AUC"


@pytest.fixture
def plan(tmp_path):
    plan = make_plan("003", (), tmp_path / "out")
    plan.output.mkdir()
    return plan


def page_of(plan, *figures, costs=None):
    """Write the page of a measured figure and of one that is not, or of ``figures``."""
    measured = {**FIGURE, "metric": "f1_weighted", "headline": True, "printed": "0.9183", **OURS, "grade": PART}
    measured |= {"data": "cells", "measurement": 1, "deviations": "other strides; trainer.max_images=9"}
    missing = {**measured, **dict.fromkeys(OURS), "metric": "auc", "headline": False, "printed": "0.96"}
    missing |= {"grade": MISSING, "deviations": ""}
    rows = [{**measured, **figure} for figure in figures] or [measured, missing]
    pd.DataFrame(rows).to_csv(plan.output / COMPARISON, index=False)
    return page.write_page(plan, {"paper": {}}, costs or {}).read_text()


def counts_of(text, *labels):
    """Return the digit of each tile."""
    return "".join(text.split(f"<dt>{label}</dt><dd><strong>")[1][0] for label in labels)


def test_the_page_has_each_figure_with_ours_and_the_grade(plan):
    text = page_of(plan)
    assert "0.921 <span>(0.905 to 0.934)</span>" in text
    assert (text.count("0.9183"), text.count(MISSING), text.count(PART)) == (2, 1, 1)
    assert text.count("on 150 of 200 test images") == 2  # beside the main figure, and below the table of all
    assert "deviations: other strides, trainer.max_images=9" in text
    assert "nan" not in text
    assert counts_of(text, "printed figures", "consistent", "not run") == "211"


def test_experiments_without_a_run_are_one_table_and_the_mean_over_an_epoch_is_explained(plan):
    nothing = {**dict.fromkeys(OURS), "measurement": 0, "grade": "not run: no weights", "deviations": ""}
    epoch = {"metric": "epoch_loss"}
    text = page_of(plan, epoch, nothing | {"experiment": "a"}, nothing | {"experiment": "a", "metric": "auc"})
    assert "Without a run" in text
    assert text.count("not run: no weights") == 1
    assert counts_of(text, "printed figures", "consistent", "not run") == "312"
    assert "mean over the batches of an epoch, with dropout" in text


def test_the_page_has_what_a_step_cost_the_pictures_and_the_reports(plan):
    (plan.output / "paper").mkdir()
    Image.new("RGB", (3, 3)).save(plan.output / "paper" / "layers-alexnet_mnist.png")
    (plan.output / "paper" / "report.html").write_text("x")
    text = page_of(plan, costs={"images\npython scripts/prepare_data.py <x>": (90.0, False)})
    assert "1.5" in text  # minutes
    assert "failed" in text
    assert "&lt;x&gt;" in text  # nothing of a command is read as HTML
    assert "layers-alexnet mnist, paper" in text
    assert 'src="data:image/png;base64,' in text
    assert '<a href="paper/report.html">' in text


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
