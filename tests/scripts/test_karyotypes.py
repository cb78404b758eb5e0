import cv2
import numpy as np
import pandas as pd
import pytest

from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of, write_predictions
from common.runs.run import Run
from datamodules.image_datamodule import ImageDataModule
from scripts.karyotypes import app
from tests.evaluation.cytogenetics.cells import CLASSES, calibrated, karyotype, make_cells
from tests.evaluation.homologues.made_up_pairs import made_up_run
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.predictions import join, make_run
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import small_config
from workflows import karyotypes


@pytest.fixture
def runs(tmp_path):
    """Three counted cells, and four karyograms: of these cells and one more; all but the second predicted abnormal."""
    cells = make_cells([karyotype(), karyotype("XY"), karyotype("XY", ["21"])], skill=12.0, cells_per_subject=1)
    write_predictions(tmp_path / "cells" / "predictions.parquet", cells)
    names = cells.frame[["subject", "cell"]].drop_duplicates().to_numpy().tolist()
    seen = make_run(images=4, subjects=None, classes=("normal", "abnormal"))
    frame = seen.frame
    test = frame.index[frame["part"] == "test"]
    frame.loc[test, ["subject", "cell"]] = [*names, ["someone", "else"]]
    frame["kind"] = ["normal", "trisomy"] * 2 + ["normal", "normal", "trisomy", "trisomy"]
    frame["label"] = ["normal" if kind == "normal" else "abnormal" for kind in frame["kind"]]
    frame["prob_abnormal"] = [0.2, 0.8] * 2 + [0.9, 0.1, 0.9, 0.9]
    frame["prob_normal"] = 1 - frame["prob_abnormal"]
    write_predictions(tmp_path / "net" / "predictions.parquet", join(seen))
    return tmp_path


def call(*arguments, code=0):
    return run_app(app, *arguments, code=code, COLUMNS="160")


def test_methods_are_compared_on_the_same_cells(runs):
    call(runs / "cells")  # counting alone
    result = call(runs / "cells", "--against", runs / "net", "--csv", runs / "found.csv")
    assert "takes cells for independent" in result.output
    table = pd.read_csv(runs / "found.csv").set_index(["method", "kind"])
    methods = ["counted one by one", "counted, joint assignment", "tiny, at 0.5", "tiny, at the threshold"]
    assert table.index.get_level_values("method").unique().tolist() == methods
    for method in methods:
        assert table.loc[(method, "trisomy"), ["cells", "found"]].tolist() == [1, 1]
        assert table.loc[(method, "normal"), "cells"] == 2
    assert table.loc[("tiny, at 0.5", "normal"), "found"] == 1


@pytest.fixture
def pairs(tmp_path):
    """Two made-up runs of the same cells: of their chromosomes ("counted"), and of their pairs."""
    predictions, table = made_up_run(lambda size: 100.0)
    keys = table[["part", "subject", "cell"]].drop_duplicates().reset_index(drop=True)
    parts = []
    for part, cells in keys.groupby("part"):
        made = make_cells(len(cells), 12.0, part=part, cells_per_subject=1, first=int(cells.index[0]))
        number = made.frame["cell"].str[-4:].astype(int)
        parts.append(made.frame.assign(**{name: keys[name].to_numpy()[number] for name in ("subject", "cell")}))
    counted = Predictions(pd.concat(parts), made.classes, None, made.about)
    Run(tmp_path / "counted").write_predictions(counted)
    run = Run(tmp_path / "pairs")
    run.write_predictions(predictions)
    run.write_pairs(table)
    return tmp_path


def test_homologues_are_compared(pairs):
    result = call(pairs / "counted", "--pairs", pairs / "pairs", "--false-alarms", "0.2", "--csv", pairs / "found.csv")
    assert "16 normal validation cells, 0 abnormal or unknown left out" in result.output
    assert "by case" in result.output
    table = pd.read_csv(pairs / "found.csv").set_index(["method", "kind", "sizes"]).sort_index()
    assert table.loc[("compared", "duplication", "all"), "share"] == 1
    assert table.loc[("counted, joint assignment", "duplication", "all"), "share"] == 0
    assert 0 < table.loc[("counted or compared", "normal"), "share"].item() < 0.5


def test_pairs_of_other_folds_are_refused(pairs):
    run = Run(pairs / "counted")
    frame = run.predictions.frame
    frame.loc[frame["part"] == "test", "cell"] += " of another fold"
    run.write_predictions(Predictions(frame, CLASSES, None, run.predictions.about))
    result = call(pairs / "counted", "--pairs", pairs / "pairs", code=1)
    assert "same split and folds" in error_of(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cells", "--pairs", "net"], "homologue_pairs"),
        (["cells", "--pairs", "nowhere"], "nowhere"),
        (["net", "--against", "cells"], "abnormal"),
        (["cells", "--against", "cells"], "composed_karyograms"),
        (["cells", "--against", "nowhere"], "nowhere"),
    ],
)
def test_errors_are_one_line(runs, arguments, message):
    result = call(*(word if word.startswith("--") else runs / word for word in arguments), code=1)
    assert message in error_of(result)


def test_a_referral_folder_is_not_written_over(runs):
    result = call(runs / "cells", "--referral", runs / "net", code=1)
    assert "--referral" in error_of(result)


@pytest.fixture
def drawn(tmp_path):
    """A run on drawn chromosomes, of which the labels of the 1s and 2s of one test cell are exchanged."""
    root = write_chromosomes(tmp_path / "data", cases=6)
    config = small_config(tmp_path, experiment="chromosomes_best", data=[f"data_dir={root}"])
    data = ImageDataModule.from_config(config)
    run = Run(tmp_path / "run")
    run.write_config(config)
    data.write_facts(run.folder)
    known = data.manifest.frame.assign(part=data.parts)
    known = known[known["part"].isin(["validation", "test"])].reset_index(drop=True)
    classes = known["label"].copy()
    wrong = known["cell"] == known.loc[known["part"] == "test", "cell"].iloc[0]
    classes[wrong] = classes[wrong].replace({"1": "2", "2": "1"})
    probabilities = calibrated(pd.Index(CLASSES).get_indexer(classes), np.random.default_rng(0), 7.0)
    columns = ["image_id", "path", "label", "subject", "part", "cell"]
    frame = known[columns].assign(kind=None, width=30, height=60, group=None, uncertainty=uncertainty_of(probabilities))
    frame = frame.join(pd.DataFrame(probabilities, columns=[PROBABILITY_PREFIX + name for name in CLASSES]))
    run.write_predictions(Predictions(frame, CLASSES, None, {"name": "drawn", "protocol": "subject"}))
    return run


def test_suspect_cells_are_listed_and_drawn(drawn, tmp_path):
    call(drawn.folder, "--suspects", tmp_path / "suspects")
    table = pd.read_csv(tmp_path / "suspects" / "suspect_labels.csv", dtype=str)
    cell = drawn.predictions.part("test").frame["cell"].iloc[0]
    assert table["cell_id"].tolist() == [cell] * 4
    assert sorted(zip(table["label"], table["predicted"], strict=True)) == [("1", "2")] * 2 + [("2", "1")] * 2
    assert {path.name for path in (tmp_path / "suspects").iterdir()} == {"suspect_labels.csv", f"{cell}.png"}
    picture = cv2.imread(str(tmp_path / "suspects" / f"{cell}.png"))
    half = len(picture) // 2
    assert (picture[:half] < 128).any()
    assert (picture[half:] < 128).any()
    assert not list(tmp_path.glob(".suspects*"))


def test_suspects_without_their_images_write_nothing(drawn, tmp_path):
    result = call(drawn.folder, "--suspects", tmp_path / "suspects", "--data-dir", tmp_path / "nowhere", code=1)
    assert "nowhere" in error_of(result)
    assert not (tmp_path / "suspects").exists()
    result = call(drawn.folder, "--suspects", drawn.folder, code=1)
    assert "--suspects" in error_of(result)


def test_suspects_of_two_cases_are_two_cells(monkeypatch, capsys, tmp_path):
    row = {"cell_id": "1", "cell_chromosomes": 4, "cell_gain": 30.0, "cell_moves": "1>2 2>1"}
    table = pd.DataFrame([row | {"case_id": case} for case in "aab"])
    monkeypatch.setattr(karyotypes, "write_suspects", lambda *_: table)
    karyotypes.list_suspects(tmp_path, [], None)
    assert "cells whose labels look wrong: 2" in capsys.readouterr().out
