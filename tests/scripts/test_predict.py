"""scripts/predict.py from the outside, on runs that were trained for it."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import train
from common.paths import ROOT
from common.predictions import read_predictions
from common.runs.run import write_status
from tests.helpers.images import break_image, cell_image, write_class_folders, write_image
from tests.helpers.predicting import NET, call, table_of, train_two
from tests.helpers.sheets import karyogram_config, write_karyograms
from tests.helpers.training import small_config, write_untrained_run

PASSES = ["head.layers=[gap,{dropout: 0.5}]", "inference.mc_passes=6"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("predict")


@pytest.fixture(scope="module")
def cells(home):
    return train_two(home)


@pytest.fixture(scope="module")
def karyograms(home):
    """A run on whole karyograms, stretched and compacted, augmented larger than the network sees them, with passes."""
    root = write_karyograms(home / "karyograms", {"normal": 20, "abnormal": 20})
    prepared = ["prepare.augment_at=48", "prepare.compact=true"]
    return train.run(karyogram_config(home, root, *NET, *PASSES, *prepared, "name=sheets"))


def own(run, part="test"):
    return read_predictions(run).part(part).frame


@pytest.mark.parametrize("kind", ["cells", "karyograms"])
def test_the_runs_own_files_get_the_runs_own_probabilities(request, home, tmp_path, kind):
    run = request.getfixturevalue(kind)
    run = run[0] if isinstance(run, list) else run
    table, _ = table_of(run, home / kind, folder=tmp_path)
    tested = own(run)
    found = table.set_index("file").loc[tested["image_id"]].reset_index()
    columns = [name for name in tested.columns if name.startswith(("prob_", "sampled_prob_")) or name == "uncertainty"]
    assert np.allclose(found[columns], tested[columns], atol=1e-5)
    assert (found["seen"] == "test").all()
    assert (table["seen"].value_counts().to_dict()) == pd.read_csv(run / "split.csv")["part"].value_counts().to_dict()
    assert ("sampled_votes" in table) == (kind == "karyograms")
    metrics = json.loads((run / "metrics.json").read_text())
    positive, threshold = metrics["positive_class"], metrics["threshold"]["value"]
    at = np.where(table[f"prob_{positive}"] >= threshold, positive, metrics["classes"][0])
    assert (table["called_at_threshold"] == at).all()
    heated = (
        table[[f"calibrated_{name}" for name in metrics["classes"]]].to_numpy() ** metrics["calibration"]["temperature"]
    )
    plain = table[[f"prob_{name}" for name in metrics["classes"]]].to_numpy()
    assert np.allclose(heated / heated.sum(axis=1, keepdims=True), plain, atol=1e-6)


def test_review_follows_the_rules_of_the_run(karyograms, home, tmp_path):
    table, result = table_of(karyograms, home / "karyograms", folder=tmp_path)
    metrics = json.loads((karyograms / "metrics.json").read_text())
    release = metrics["triage"]["release"]["validation"][0]["threshold"]
    few, kept = table["sampled_votes"] < 0.8, table["prob_abnormal"] >= release
    assert (table["review"] == (few | kept)).all()
    assert (table["reason"].fillna("").str.contains("vote share below 0.8") == few).all()
    assert (table["reason"].fillna("").str.contains("not below the release threshold") == kept).all()
    assert table["reason"].isna().equals(~table["review"])
    assert f"to be reviewed: {int(table['review'].sum())} of the judged" in result.output
    assert "are among those trained on" in result.output
    alone, _ = table_of(karyograms, home / "karyograms", "--rules", "votes", folder=tmp_path / "votes")
    assert (alone["review"] == few).all()


def test_passes_can_be_left_out(karyograms, home, tmp_path):
    table, _ = table_of(karyograms, home / "karyograms", "--passes", 0, folder=tmp_path)
    assert not [name for name in table.columns if name.startswith("sampled_")]
    more, _ = table_of(karyograms, home / "karyograms", "--passes", 3, folder=tmp_path / "more")
    assert set(more["sampled_votes"].mul(3).round(6) % 1) == {0.0}


def test_every_file_is_accounted_for(cells, tmp_path):
    root = write_class_folders(tmp_path / "new", {"a": 3}, suffix=".bmp")
    break_image(write_image(root / "cut.png", cell_image(5)))
    (root / "empty.jpg").write_bytes(b"")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    os.mkfifo(root / "pipe.png")
    for name in ("notes.txt", "b.txt", "README", ".DS_Store", "a/._x.png"):
        (root / name).write_text("x")
    table, result = table_of(cells[0], root, folder=tmp_path)
    status = dict(zip(table["file"], table["status"], strict=True))
    assert {name for name, one in status.items() if one == "broken"} == {"cut.png", "empty.jpg", "gone.png", "pipe.png"}
    assert {name for name, one in status.items() if one == "judged"} == {f"a/s{n // 2}_{n}.bmp" for n in range(3)}
    broken = table[table["status"] == "broken"].set_index("file")
    assert broken["cause"].str.len().min() > 5
    assert broken["cause"]["pipe.png"] == "no plain file"
    assert broken["review"].all()
    assert broken["called"].isna().all()
    assert re.search(
        r"12 files: 3 judged \(.*\), 4 broken, 5 other files: 2 .txt, 2 hidden, 1 without suffix", result.output
    )
    assert "broken: gone.png: cannot be read (No such file or directory)" in result.output
    written = pd.read_csv(tmp_path / "p.csv")
    assert list(written.columns) == list(table.columns)
    assert np.allclose(written["prob_all"], table["prob_all"], atol=1e-6, equal_nan=True)


def test_a_folder_of_broken_files_alone_is_a_table(cells, karyograms, tmp_path):
    for number in range(3):
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / f"{number}.png").write_text("no image")
    for number, run in enumerate((cells[0], karyograms)):
        table, _ = table_of(run, tmp_path / "new", "--sheet", tmp_path / "s.png", folder=tmp_path / str(number))
        assert (table["status"] == "broken").all()
    assert not (tmp_path / "s.png").exists()


def test_files_zips_and_names(cells, tmp_path):
    folder = write_class_folders(tmp_path / "new", {"a": 2})
    file = write_image(tmp_path / "single.dat.png", cell_image(3))
    odd = shutil.copy(file, tmp_path / os.fsdecode(b"caf\xe9.png"))
    named = tmp_path / "named_without_suffix"
    shutil.copy(file, named)
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(folder / "a" / "s0_0.png", "b/s0_0.png")
    places = [folder, file, folder / "a" / ".." / "a" / "s0_1.png", odd, named, tmp_path / "more.zip"]
    table, _ = table_of(cells[0], *places, "--cache-dir", tmp_path / "cache", folder=tmp_path)
    assert (table["status"] == "judged").all()
    names = [*(folder / "a" / f"s0_{n}.png" for n in range(2)), file, named, tmp_path / "more.zip" / "b" / "s0_0.png"]
    assert set(table["file"]) == {*map(str, names), str(tmp_path / "caf\\xe9.png")}
    by_file = table.set_index("file")["prob_all"]
    assert by_file[str(names[0])] == by_file[str(names[-1])]  # the same picture


def test_true_classes_by_folders_and_a_sheet(karyograms, tmp_path):
    root = write_karyograms(tmp_path / "new", {"normal": 3, "abnormal": 4})
    write_image(root / "elsewhere" / "a.png", cell_image(0))
    sheet = tmp_path / "sheet.png"
    table, result = table_of(karyograms, root, "--labels", "folders", "--sheet", sheet, folder=tmp_path)
    assert table["label"].fillna("none").value_counts().to_dict() == {"abnormal": 4, "normal": 3, "none": 1}
    assert (table["label"].dropna() == table["file"].str.split("/").str[0][table["label"].notna()]).all()
    right = int((table["called"] == table["label"]).sum())
    assert f"called rightly at 0.5: {right} of 7" in result.output
    assert "1 of the judged lie in no folder called like a class" in result.output
    assert min(Image.open(sheet).size) > 300


def test_a_run_on_composed_karyograms_says_that_others_are_of_another_kind(karyograms, home, tmp_path):
    run = shutil.copytree(karyograms, tmp_path / "run")
    facts = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps({**facts, "source": "composed_karyograms"}))
    _, result = table_of(run, home / "karyograms" / "normal", folder=tmp_path)
    assert "learned from karyograms composed of single chromosomes" in result.output
    _, plain = table_of(karyograms, home / "karyograms" / "normal", folder=tmp_path / "plain")
    assert "composed of single chromosomes" not in plain.output


def test_without_any_rule_a_person_looks_at_everything(tmp_path):
    run, classes = tmp_path / "run", ("a", "b", "c")
    config = small_config(tmp_path, "model=resnet18", "model.cut=layer1", "head.logits=3")
    write_untrained_run(run, config, classes)
    (run / "data.json").write_text(json.dumps({"classes": classes, "positive_class": None}))
    settings = config.evaluation.model_dump(mode="json")
    judgement = {"settings": settings, "threshold": {"value": None, "reason": "more than two classes"}}
    (run / "metrics.json").write_text(json.dumps({**judgement, "positive_class": None}))
    table, result = table_of(run, write_class_folders(tmp_path / "new", {"x": 2}), folder=tmp_path)
    assert table["review"].all()
    assert "no rule of this run could release it" in result.output
    assert np.allclose(table[["prob_a", "prob_b", "prob_c"]].sum(axis=1), 1)


def test_chromosomes_scaled_with_their_cell_are_refused(tmp_path):
    canvas = ["prepare.fit=canvas", "prepare.canvas.scale_by=cell"]
    write_untrained_run(tmp_path / "run", small_config(tmp_path, "model=resnet18", *canvas))
    (tmp_path / "a.png").write_text("x")
    result = call(tmp_path / "run", tmp_path / "a.png", "--output", tmp_path / "p.csv")
    assert result.exit_code == 1
    assert "scales each chromosome with its whole cell" in result.stderr


@pytest.mark.parametrize("taken", ["p.csv", "p.parquet", "s.png"])
def test_nothing_is_overwritten(cells, home, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    result = call(cells[0], home / "cells", "--output", tmp_path / "p.csv", "--sheet", tmp_path / "s.png")
    assert result.exit_code == 1
    assert f"{taken} is there already" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{images}"], "is no run of Karyocyte"),
        (["{run}"], "no images are named"),
        (["{run}", "{empty}"], "no image in .*empty"),
        (["{run}", "{text}"], r"no image in .*\(1 other file: 1 .txt\)"),
        (["{run}", "{empty}/absent"], "absent is missing"),
        (["{images}", "{run}"], "name the runs first"),
        (["{run}", "{run}", "{images}"], "is named twice"),
        (["{run}", "{unfinished}", "{images}"], "a run that is not finished"),
        (["{run}", "{sheets}", "{images}"], "hem, all apart, .* normal, abnormal: name runs of one task"),
        (["{run}", "{images}", "--passes", "5"], "the model has no dropout"),
        (["{run}", "{other}", "{images}", "--passes", "5"], "each has one vote"),
        (["{run}", "{images}", "--rules", "votes"], "--rules votes: there are no passes"),
        (["{run}", "{images}", "--rules", "vote"], "vote is no rule: choose among votes"),
        (["{run}", "{images}", "--labels", "folders"], "no image lies in a folder called hem or all"),
        (["{run}", "{images}", "--sheet", "a.pdf"], "a PNG file is written"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(cells, karyograms, tmp_path, arguments, words):
    places = {"run": cells[0], "other": cells[1], "sheets": karyograms}
    for name in ("images", "empty", "text", "unfinished"):
        places[name] = tmp_path / name
        places[name].mkdir()
    write_image(places["images"] / "a.png", cell_image(0))
    (places["text"] / "a.txt").write_text("x")
    write_status(places["unfinished"], "running")
    before = sorted(tmp_path.rglob("*"))
    result = call(*(one.format(**places) for one in arguments), "--output", tmp_path / "p.csv")
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.strip().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(words, lines[0])
    assert sorted(tmp_path.rglob("*")) == before


def test_help_imports_nothing_heavy(tmp_path):
    heavy = "torch|numpy|pandas|sklearn|scipy|matplotlib|pydantic"
    command = [sys.executable, "-X", "importtime", str(ROOT / "scripts" / "predict.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr[-500:]
    assert "--labels" in done.stdout
    assert not re.findall(rf"\| +({heavy})$", done.stderr, flags=re.MULTILINE)
