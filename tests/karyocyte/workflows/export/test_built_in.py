"""The model in models/chromosomes.

What it gives of chromosome.png is written by

    python scripts/predict.py models/chromosomes tests/karyocyte/workflows/export/chromosome.png \\
        batchnorm=trained columns=all --output new.csv
    python -c "import pandas as pd; pd.read_csv('new.csv').filter(like='prob_').iloc[0].to_json(
        'tests/karyocyte/workflows/export/chromosome.json')"
"""

import json
from pathlib import Path

import pandas as pd
import pytest

from cytogenetics.trained.pictures import BUILT_IN
from karyocyte.commands.predict import app as predict
from karyocyte.runs.export import ClassifierExport, read_export
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from tests.helpers.terminal import run_app

IMAGE = Path(__file__).parent / "chromosome.png"
MOST_BYTES = 8_000_000


def test_the_files_are_those_of_the_description_and_small():
    run, export = Run(BUILT_IN), read_export(BUILT_IN, ClassifierExport)
    files = {run.checked(name) for name in run.checksums.listed}
    assert set(BUILT_IN.iterdir()) == {*files, run.path(RunFile.CARD), BUILT_IN / "checksums.json"}
    assert {run.path(RunFile.EXPORT), run.path(RunFile.MODEL)} < files
    assert sum(path.stat().st_size for path in BUILT_IN.iterdir()) < MOST_BYTES
    card = run.path(RunFile.CARD).read_text()
    assert export.name in card
    figures = pd.DataFrame(export.evaluation["figures"])
    figures = figures[(figures["part"] == "test") & (figures["section"] == "metrics")].set_index("name")
    for metric in ("accuracy", "f1_macro"):
        value, low, high = figures.loc[metric, ["value", "low", "high"]]
        assert f"| {metric} | {value:.3f} ({low:.3f} to {high:.3f}) |" in card


def test_a_stored_image_has_the_stored_probabilities(tmp_path):
    as_trained = ["batchnorm=trained", "columns=all"]
    run_app(predict, BUILT_IN, IMAGE, *as_trained, "--output", tmp_path / "p.csv")
    predicted = pd.read_csv(tmp_path / "p.csv").filter(like="prob_").iloc[0].to_dict()
    expected = json.loads(IMAGE.with_suffix(".json").read_text())
    assert predicted == pytest.approx(expected, rel=0.05, abs=1e-3)
