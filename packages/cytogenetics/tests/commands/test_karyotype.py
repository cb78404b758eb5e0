"""scripts/karyotype.py on runs that are trained here, on synthetic cells."""

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cytogenetics.commands.karyotype import app
from cytogenetics.karyotypes.naming import name_karyotype
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.temperature import EPSILON, fit_temperature, rescale
from karyocyte.runs.run import Run
from tests.helpers.chromosomes import bar, write_chromosomes
from tests.helpers.images import break_image, cell_image, write_image
from tests.helpers.portable import train_on_chromosomes
from tests.helpers.terminal import run_app

OUTPUTS = ["cases.csv", "checksums.json", "chromosomes.csv", "index.html", "karyotypes.csv"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six synthetic cells of six cases, with labels.csv."""
    return write_chromosomes(tmp_path_factory.mktemp("karyotype") / "data", cases=6)


@pytest.fixture(scope="module")
def run(data):
    return Run(train_on_chromosomes(data, "head.orientation=false", "inference.batchnorm=trained"))


@pytest.fixture(scope="module")
def second(data):
    """A run of another seed that knows which way up a chromosome is."""
    return Run(train_on_chromosomes(data, "inference.batchnorm=trained", "seed=1"))


@pytest.fixture(scope="module")
def given(data, tmp_path_factory):
    """Two cells of one case in folders, ``case/c0`` and ``case/c1``, under neutral names."""
    folder = tmp_path_factory.mktemp("given")
    table = pd.read_csv(data / "labels.csv")
    for number, (_, rows) in enumerate(list(table.groupby("cell_id"))[:2]):
        for place, path in enumerate(rows["path"]):
            target = folder / "case" / f"c{number}" / f"{place:02d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / path, target)
    return folder


@pytest.fixture
def cells(given, tmp_path):
    """A copy of the given cells, which a test may change."""
    return Path(shutil.copytree(given, tmp_path / "cells"))


@pytest.fixture(scope="module")
def plain(run, given, tmp_path_factory):
    """What the script makes of the given cells."""
    return karyotyped(tmp_path_factory.mktemp("plain") / "out", run.folder, given)


@pytest.fixture
def karyotype(tmp_path):
    """A function that calls the script and returns both tables and the terminal's text."""
    return lambda *arguments, output="out": karyotyped(tmp_path / output, *arguments)


def karyotyped(folder, *arguments):
    """Call the script, which writes the folder, and return both tables and the terminal's text."""
    result = run_app(app, *arguments, "--output", folder, NO_COLOR="1", TERM="dumb", COLUMNS="80")
    classes = dict.fromkeys(["class", "runner_up", "alone", "cause", "case"], object)
    chromosomes = pd.read_csv(folder / "chromosomes.csv", dtype=classes)
    return pd.read_csv(folder / "karyotypes.csv"), chromosomes, result.output


def assert_consistent(cells, chromosomes):
    """Assert that the karyotypes are those of the classes, and that each file is accounted for."""
    for _, row in cells.iterrows():
        of_cell = chromosomes[chromosomes["cell"] == row["cell"]]
        assert len(of_cell) == row["files"]
        counts = {name: row[name] for name in ("used", "broken", "left_out", "duplicate") if row[name]}
        assert of_cell["status"].value_counts().to_dict() == counts
        used = of_cell[of_cell["status"] == "used"]
        assert used["class"].isin(CHROMOSOMES).all()
        assert (of_cell["class"].notna() == (of_cell["status"] == "used")).all()
        assert (of_cell["cause"].isna() == (of_cell["status"] == "used")).all()
        if pd.notna(row["karyotype"]):
            assert name_karyotype(Counter(used["class"])).iscn == row["karyotype"]
            assert row["probability"] >= row[["second_probability", "third_probability"]].fillna(0).max()
        assert (row["refer"] == "yes") == pd.notna(row["reason"])


def test_cells_of_a_folder(run, cells, karyotype, tmp_path):
    (cells / "notes.txt").write_text("x")
    table, chromosomes, output = karyotype(run.folder, cells)
    assert table[["case", "cell", "used"]].to_numpy().tolist() == [["case", "c0", 46], ["case", "c1", 46]]
    assert_consistent(table, chromosomes)
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.suffix != "") == OUTPUTS
    cases = pd.read_csv(tmp_path / "out" / "cases.csv")
    assert cases[["case", "cells"]].to_numpy().tolist() == [["case", 2]]
    for picture in table["karyogram"]:
        assert cv2.imread(str(tmp_path / "out" / picture)).min() < 200
    page = (tmp_path / "out" / "index.html").read_text()
    for text in [*table["cell"], *table["karyotype"]]:
        assert text in page
    assert "1 .txt" in output
    assert not list(tmp_path.glob(".out*"))


def test_cells_are_listed_by_expected_errors(run, cells, plain, karyotype):
    table, chromosomes, output = karyotype(run.folder, cells, "refer_expected_wrong=46")
    expected = (1 - chromosomes["probability"]).groupby(chromosomes["cell"], sort=False).sum()
    assert table["expected_wrong"].tolist() == pytest.approx(expected.tolist(), abs=1e-3)
    listed = [line for line in output.splitlines() if line.startswith("  about ")]
    assert [line.split()[1] for line in listed] == [f"{value:.1f}" for value in sorted(expected, reverse=True)]
    # A run of one validation cell has no threshold of its own.
    assert "is not reliable" in " ".join(plain[2].split())
    assert "is not reliable" not in output
    assert plain[0]["reason"].str.contains("may be wrong").all()
    assert not table["reason"].str.contains("may be wrong").any()
    assert "beside other reasons: expected errors 46" in output


@pytest.mark.parametrize("name", ["run", "second"])
def test_own_cells_get_the_probabilities_of_the_run(data, karyotype, name, request):
    run = request.getfixturevalue(name)
    table, chromosomes, output = karyotype(run.folder, data / "labels.csv")
    assert len(table) == 6
    assert_consistent(table, chromosomes)
    predictions = run.predictions
    temperature = fit_temperature(score(predictions.part("validation"))).value
    test = predictions.part("test")
    expected = np.maximum(rescale(test.probabilities, temperature), EPSILON)
    rows = chromosomes.set_index("file").loc[test.frame["path"]]
    assert rows["alone_probability"].to_numpy() == pytest.approx(expected.max(axis=1), abs=1e-4)
    assert (rows["seen"] == "test").all()
    seen = chromosomes["seen"].value_counts()
    assert seen.to_dict() == run.split["part"].value_counts().to_dict()
    assert re.search(rf"trained on {seen['train']} images of \d cells", output)


def test_a_run_of_balanced_classes_has_other_probabilities(run, cells, plain, karyotype, tmp_path):
    balanced = Run(shutil.copytree(run.folder, tmp_path / "balanced"))
    predictions = run.predictions
    balanced.write_predictions(replace(predictions, about={**predictions.about, "balanced": True}))
    other = karyotype(balanced.folder, cells)[0]
    assert (plain[0]["probability"] != other["probability"]).all()


def test_bad_files_are_reported_and_left_out(run, cells, plain, karyotype):
    before = plain[1].set_index("file")
    folder = cells / "case" / "c0"
    write_image(folder / "photo.png", cell_image(3, border=1)[1:-1, 1:-1])
    write_image(folder / "sheet.png", np.concatenate([bar(5)] * 5, axis=1))
    shutil.copy(folder / "00.png", folder / "copy.png")
    break_image(write_image(folder / "torn.png", bar(2)))
    for number in range(3):
        (folder / f"{40 + number}.png").unlink()
    table, chromosomes, output = karyotype(run.folder, cells)
    assert_consistent(table, chromosomes)
    first = table.iloc[0]
    assert first[["files", "used", "broken", "left_out", "duplicate"]].tolist() == [47, 43, 1, 2, 1]
    assert first["refer"] == "yes"
    assert first["karyotype"].startswith("43,")
    assert "1 broken, 2 left out, 1 duplicate" in output
    # The other cell is what it was.
    rows = chromosomes[chromosomes["cell"] == "c1"].set_index("file")
    pd.testing.assert_frame_equal(rows, before[before["cell"] == "c1"], check_exact=False, rtol=1e-4, atol=1e-4)


def test_several_runs_are_an_ensemble(run, second, cells, plain, karyotype):
    of_second = karyotype(second.folder, cells, output="second")[1]
    table, both, _ = karyotype(run.folder, second.folder, cells, output="both")
    assert_consistent(table, both)
    for one in (plain[1], of_second):
        # The networks are hardly trained: every probability is about 1/24.
        assert not np.allclose(both["alone_probability"], one["alone_probability"], rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{run} {cells}/nowhere", "{cells}/nowhere is missing"),
        ("{run} {other} {cells}", "prepare.crop_threshold is"),
        ("{run} {cells} --output {cells}/out", "is in {cells}"),
        ("{run} {cells} --output {unfinished}", "{unfinished} exists already"),
    ],
)
def test_error_is_one_line_and_writes_nothing(run, cells, tmp_path, arguments, words):
    places = {"run": run.folder, "cells": cells, "unfinished": tmp_path / "unfinished"}
    places["unfinished"].mkdir()
    Run(places["unfinished"]).write_status("running")
    places["other"] = other_reading(run, tmp_path / "other")
    before = sorted(tmp_path.rglob("*"))
    result = run_app(app, "--output", tmp_path / "out", *arguments.format(**places).split(), code=1)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words.format(**places) in errors[0]
    assert sorted(tmp_path.rglob("*")) == before


def other_reading(run, folder):
    """Return a copy of a run whose preparation takes other pixels for background."""
    shutil.copytree(run.folder, folder)
    config = folder / "config.yaml"
    text = config.read_text()
    assert "crop_threshold: " in text
    config.write_text(re.sub(r"crop_threshold: \d+", "crop_threshold: 77", text))
    Run(folder).record()
    return folder


def test_odd_names(run, cells, karyotype, tmp_path):
    longest = (250 * "a", 250 * "b")
    for place in (("[red]x", "<b>&#?%"), ("cells", "main"), longest):
        shutil.copytree(cells / "case" / "c0", tmp_path / "odd" / Path(*place))
    table, _, output = karyotype(run.folder, tmp_path / "odd")
    assert sorted(table["cell"]) == sorted(["<b>&#?%", "main", longest[1]])
    page = (tmp_path / "out" / "index.html").read_text()
    assert "[red]x / &lt;b&gt;&amp;#?%" in page
    anchors = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall('href="#([^"]+)"', page)) <= set(anchors)
    for picture in table["karyogram"]:
        assert (tmp_path / "out" / picture).is_file()


def test_all_cells_are_referred_where_a_reader_seems_to_have_failed(run, given, karyotype, tmp_path):
    picture = given / "case" / "c0" / "05.png"
    for number in range(8):
        folder = tmp_path / "copies" / f"c{number}"
        folder.mkdir(parents=True)
        shutil.copy(picture, folder / "a.png")
    table, _, output = karyotype(run.folder, tmp_path / "copies")
    assert (table["refer"] == "yes").all()
    assert table["reason"].str.contains("one mean").all()
    assert "read wrongly" in " ".join(output.split())
