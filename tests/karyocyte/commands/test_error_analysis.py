"""scripts/evaluate.py --errors: its files, and its warning where thumbnails are missing."""

import numpy as np
import pandas as pd
import pytest

from karyocyte.commands.evaluate import app
from karyocyte.evaluation.pages.thumbnails import THUMBNAILS, write_pictures
from karyocyte.runs.predictions import write_predictions
from tests.helpers.predictions import make_run
from tests.helpers.terminal import run_app

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def runs(tmp_path):
    """Two networks of two folds each; the second predicts the other class: each image is missed once."""
    folders = []
    for fold in range(2):
        run = make_run(fold, 20, about={"name": "net"})
        turned = run.frame.assign(prob_hem=run.frame["prob_all"], prob_all=run.frame["prob_hem"])
        other = type(run)(turned, run.classes, run.positive_class, {**run.about, "name": "turned"})
        for case in (run, other):
            folders.append(tmp_path / f"{case.about['name']}-{fold}")
            write_predictions(folders[-1] / "predictions.parquet", case)
    return folders


def test_tables_plots_and_the_sheet_of_the_thumbnails_that_the_runs_have(runs, tmp_path):
    for folder in runs[:2]:  # fold 0 alone
        ids = [f"image_{number:05d}" for number in range(20)]
        write_pictures(folder / THUMBNAILS, ids, [np.zeros((8, 8, 3), dtype=np.uint8)] * 20, 160)
    result = run_app(app, *runs, "resamples=20", "--errors", "--output", tmp_path / "errors")
    assert "of the 40 images that all models miss, or most, missed_by_all.png has 20" in " ".join(result.output.split())
    names = {path.name for path in (tmp_path / "errors").iterdir()}
    assert names >= {"missed.csv", "missed_counts.csv", "missed.png", "missed_by_all.png"}
    counts = pd.read_csv(tmp_path / "errors" / "missed_counts.csv")
    assert counts[counts["true_class"] == "(every class)"]["images"].tolist() == [0, 40, 0]
    images = pd.read_csv(tmp_path / "errors" / "missed.csv")
    assert set(images["right"]) == {"net", "turned"}
    assert (images["prob_true/net"] + images["prob_true/turned"]).round(3).eq(1).all()
