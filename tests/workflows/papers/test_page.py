"""What the page of a reproduction says of its runs."""

from pathlib import Path

import pandas as pd
import pytest

from common.runs.run import Run
from workflows.papers import page
from workflows.papers.plan import Options, comparison_csv, make_plan
from workflows.papers.records import StepRecord


@pytest.fixture
def plan(tmp_path):
    plan = make_plan("003", (), tmp_path / "out")
    plan.output.mkdir()
    columns = ["experiment", "section", "part", "metric", "printed", "verdict", "reason"]
    ends = [f"{role}{end}" for role in ("as_paper", "honest") for end in ("", "_low", "_high", "_minutes")]
    rows = []
    for metric, printed, headline in (("accuracy", "0.53", True), ("loss", "0.61", False)):
        values = ["hem_all_cnn_32", "table 1", "test", metric, printed, "not comparable", "x"]
        rows.append({**dict(zip(columns, values, strict=True)), **dict.fromkeys(ends), "headline": headline})
    pd.DataFrame(rows).assign(deviation="other strides").to_csv(comparison_csv(plan), index=False)
    return plan


def test_runs_of_another_version_and_unfinished_runs_are_named(tmp_path, monkeypatch, plan):
    folder = tmp_path / "run"
    monkeypatch.setattr(Run, "revisions", ("0a1b2c3d4e5f",))
    monkeypatch.setattr("common.runs.lifecycle.revision", lambda: "ffffffffffff")
    records = {"costs-paper": StepRecord("python scripts/collect.py", "", 0, 60.0, 30.0, 0.5)}
    path = page.write_page(plan, {"paper": {"hem_all_cnn_32": [str(folder)]}}, records)
    text = Path(path).read_text()
    assert "made with revision 0a1b2c3d4e5f of the code, which is ffffffffffff now" in text
    assert "unfinished runs of hem_all_cnn_64 (1 of 1), hem_all_cnn_256 (1 of 1)" in text
    assert text.count("Known deviation: other strides") == 2
    assert "3 experiments, 1 seed; split as the paper did: 1 fold; no overrides" in text


def test_each_seed_and_fold_that_is_unfinished_counts(tmp_path):
    options = Options(("hem_all_cnn_32", "hem_all_cnn_64"), seeds=(0, 1), folds=(0, 1, 2), honest=True)
    plan = make_plan("003", (), tmp_path / "out", options)
    finished = {
        "paper": {"hem_all_cnn_32": ["a", "b"]},
        "honest": {"hem_all_cnn_32": ["c"] * 6, "hem_all_cnn_64": ["d"]},
    }
    assert page.warnings_of(plan, finished) == [
        "split as the paper did: unfinished runs of hem_all_cnn_64 (2 of 2)",
        "honest split: unfinished runs of hem_all_cnn_64 (5 of 6)",
    ]


def test_pictures_and_reports_of_each_split_are_on_the_page(plan):
    from PIL import Image

    (plan.output / "paper").mkdir()
    Image.new("RGB", (3, 3)).save(plan.output / "paper" / "layers-alexnet_mnist.png")
    (plan.output / "paper" / "report.html").write_text("x")
    text = page.write_page(plan, {"paper": {}}, {}).read_text()
    assert "layers-alexnet mnist, split as the paper did" in text
    assert 'href="paper/report.html"' in text
