"""scripts/evaluate.py --on with a run that compares homologues: single chromosomes against a bank."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

from common.runs.run import Run
from scripts.evaluate import app
from tests.helpers.chromosomes import bar, write_table
from tests.helpers.images import write_image
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import run_undrawn, small_config

pytestmark = pytest.mark.usefixtures("blank_figures")
DATA = ["data=synthetic_chromosomes", "data.cells=9", "data.cases=9", "data.abnormal=0.0"]
SMALL = ["split.folds=3", "prepare.size=[64,32]", "pairs.width=16", "trainer.max_epochs=1", "trainer.precision=32-true"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("bank")
    few = ["trainer.max_images=16", "loader.batch_size=16"]
    return run_undrawn(small_config(home, *SMALL, *few, experiment="homologue_pairs", data=DATA))


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> Path:
    """Chromosomes of classes 1 and 2, of each two normal and two others, and one without class."""
    root = tmp_path_factory.mktemp("others")
    rows = []
    for number, name in ((1, "1"), (2, "2"), (1, "")):
        for copy in range(4 if name else 1):
            kind = "ring" if not name else "normal" if copy < 2 else "abnormal"
            path = f"{name or 'none'}_{copy}.png"
            write_image(root / path, bar(number, seed=copy))
            rows.append({"path": path, "label": name, "kind": kind})
    write_table(root / "labels.csv", rows)
    return root


def call(run: Path, others: Path, output: Path, *more: str, code: int = 0) -> Result:
    on = ("--on", "data=table", f"data_dir={others}", "data.group_column=kind", "pairs.bank=3", *more)
    return run_app(app, run, *on, "--output", output, code=code)


def test_each_image_has_a_row_and_each_class_an_auroc(run, others, tmp_path):
    call(run, others, tmp_path / "found")
    table = pd.read_csv(tmp_path / "found" / "chromosomes.csv", dtype={"class": str, "compared_as": str})
    assert table["class"].tolist()[:8] == ["1"] * 4 + ["2"] * 4
    assert table["compared_as"].tolist()[:8] == ["1"] * 4 + ["2"] * 4
    assert table.loc[8, ["score", "score_any"]].nunique() == 1
    assert table["hottest"].between(0, 1).all()
    kinds = table.filter(like="prob_")
    assert kinds.sum(axis=1).tolist() == pytest.approx([1.0] * 9, abs=1e-3)
    training = Run(run).split.query("part == 'train'")
    assert set(table["nearest"]) <= set(training["image_id"])
    result = pd.read_csv(tmp_path / "found" / "within_class.csv").set_index(["group", "class"])
    assert result.loc[("abnormal", "all"), ["images", "normal"]].tolist() == [4, 4]
    assert result.loc[("ring", "without class"), "images"] == 1
    assert (tmp_path / "found" / "extremes.png").is_file()


def test_images_that_the_run_learned_from_are_refused(run, tmp_path):
    config = Run(run).config
    result = run_app(app, run, "--on", *DATA, f"cache_dir={config.cache_dir}", "--output", tmp_path / "found", code=1)
    assert "learned from" in result.output


def test_options_of_single_images_are_refused(run, others, tmp_path):
    result = call(run, others, tmp_path / "found", "--map", "1=2", code=1)
    assert "leave --map" in error_of(result)
