"""The model in models/chromosomes, where there is one.

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

from cytogenetics.portable.pictures import BUILT_IN
from karyocyte.commands.predict import app as predict
from karyocyte.inference.models import PortableModel
from karyocyte.runs.files import PortableFile
from tests.helpers.terminal import run_app

IMAGE = Path(__file__).parent / "chromosome.png"
MOST_BYTES = 8_000_000
pytestmark = pytest.mark.skipif(
    not PortableModel.is_portable(BUILT_IN), reason="models/chromosomes has no model.json: no model is trained for it"
)


def test_the_files_are_those_of_the_description_and_small():
    model = PortableModel(BUILT_IN)
    files = {model.checksums.checked(name) for name in model.checksums.listed}
    assert set(BUILT_IN.iterdir()) == {*files, BUILT_IN / PortableFile.CARD, BUILT_IN / "checksums.json"}
    assert BUILT_IN / PortableFile.MODEL in files
    assert sum(path.stat().st_size for path in BUILT_IN.iterdir()) < MOST_BYTES
    card = (BUILT_IN / PortableFile.CARD).read_text()
    assert model.description.name in card
    figures = pd.DataFrame(model.description.evaluation["figures"])
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
