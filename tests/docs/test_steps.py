"""The figure of costs and accuracy comes from results/ and from nowhere else."""

import pandas as pd
import pytest
from PIL import Image

from common.paths import ROOT
from docs.steps import PANELS, STEPS, costs_and_accuracy, draw
from workflows.papers.measured import read_measured


def test_a_step_costs_what_all_its_training_costs_per_fold(tmp_path):
    table = costs_and_accuracy(ROOT / "results")
    costs = pd.read_csv(ROOT / "results" / "chromosomes" / "costs.csv").set_index("experiment")
    trained = ["chromosomes_any", "chromosomes_large", "chromosomes_large_cell"]
    minutes = (costs.loc[trained, "cpu_hours"] / 5 * 60).cumsum().tolist()
    assert table["minutes"].tolist()[1:] == pytest.approx(minutes)
    assert table["name"].tolist() == [step.name for step in STEPS]
    measured = read_measured(ROOT / "results" / "chromosomes.csv").set_index(["label", "metric"])["value"]
    for step, row in zip(STEPS, table.to_dict("records"), strict=True):
        assert [row[metric] for metric in PANELS] == [measured[step.label, metric] for metric in PANELS]
    draw(tmp_path / "steps.png", table)
    assert Image.open(tmp_path / "steps.png").width > 1000
