"""The page of a reproduced paper shows every printed figure, what it cost, and what is missing."""

import pandas as pd
import pytest
from karyocyte.workflows.papers.figure_tables import read_figures, summary
from PIL import Image

from karyocyte.workflows.papers import page
from karyocyte.workflows.papers.plan import COMPARISON, Options, make_plan
from karyocyte.workflows.papers.records import StepRecord

FIGURE = {"experiment": "hem_all_cnn_32", "section": "table 1", "part": "test", "metric": "f1_weighted"}
OURS = {"as_paper": "0.921", "as_paper_low": "0.905", "as_paper_high": "0.934", "as_paper_minutes": "7.25"}
LABELS = ("printed figures", "measured", "reproduced", "not comparable", "not measured")
NOTHING = dict.fromkeys(("honest", "honest_low", "honest_high", "honest_minutes"))


@pytest.fixture
def plan(tmp_path):
    plan = make_plan("003", (), tmp_path / "out")
    plan.output.mkdir()
    return plan


def page_of(plan, *figures, runs=None, records=None):
    """Write the page of a measured figure and of one that is not, or of ``figures``."""
    measured = {**FIGURE, "headline": True, "printed": "0.9183", **OURS, **NOTHING, "verdict": "reproduced"}
    missing = {**FIGURE, "metric": "auc", "headline": False, "printed": "0.96", **NOTHING}
    missing |= {"verdict": "not measured", "reason": "not measured here"}
    rows = [{**missing, **figure} for figure in figures] or [measured, missing]
    table = pd.DataFrame(rows, columns=[*measured, "reason"]).assign(deviation="other strides")
    table.to_csv(plan.output / COMPARISON, index=False)
    return page.write_page(plan, runs or {"paper": {}}, records or {}).read_text()


def test_the_page_has_each_figure_with_ours_and_the_verdict(plan):
    text = page_of(plan)
    assert "0.9183" in text
    assert "0.921 <span>(0.905 to 0.934)</span>" in text
    assert '<td class="figure">7.2</td>' in text
    assert text.count("not measured here") == 1
    assert text.count("Known deviation: other strides") == 3
    assert "nan" not in text
    assert counts_of(text) == "21101"


def counts_of(text):
    """Return the digit of each tile of LABELS."""
    return "".join(text.split(f"<dt>{label}</dt><dd><strong>")[1][0] for label in LABELS)


def test_a_figure_that_several_groups_of_runs_measured_counts_once(plan):
    verdicts = {"accuracy": ("reproduced", "not comparable", "reproduced"), "auc": ("reproduced", "lower")}
    figures = [{"metric": metric, "verdict": verdict} for metric, several in verdicts.items() for verdict in several]
    text = page_of(plan, *figures, {"metric": "loss"})
    assert counts_of(text) == "32101"
    assert "<dt>lower</dt><dd><strong>1" in text
    assert "of several groups of runs by the first verdict of lower, higher, reproduced, not comparable<" in text
    assert "3 printed figures: 2 measured (1 lower, 1 reproduced), 1 not measured" in summary(
        read_figures(plan.output / COMPARISON)
    )


def test_the_page_says_what_a_step_cost_and_whether_it_failed(plan):
    records = {"images": StepRecord("python scripts/prepare_data.py <x>", "", 1, 90.0)}
    text = page_of(plan, records=records)
    assert "1.5" in text  # minutes
    assert "failed" in text
    assert "&lt;x&gt;" in text  # nothing of a command is read as HTML


def test_each_figure_names_the_numbers_of_its_own_reasons(plan):
    other = {"metric": "epoch_loss", "part": "train", "verdict": "not comparable", "reason": "128 px instead of 300"}
    text = page_of(plan, {}, other)
    assert "Not comparable: 1. not measured here; 2. 128 px instead of 300." in text
    assert ">not measured 1<" in text
    assert ">not comparable 2<" in text
    assert "mean over the batches of an epoch, with dropout" in text


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
