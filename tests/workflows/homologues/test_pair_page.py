"""scripts/explain.py pairs: a page of the test pairs that are worth looking at."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from scripts.explain import app
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import small_config, train_pairs, write_untrained_run


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def run(home) -> Path:
    return train_pairs(write_chromosomes(home / "data", cases=6))


def call(*arguments, code=0):
    return run_app(app, "pairs", *arguments, code=code)


def test_the_page_shows_the_pairs_of_its_table(run, tmp_path):
    output = tmp_path / "page"
    call(run, "--output", output, "--count", 4)
    table = pd.read_csv(output / "index.csv", dtype={"chromosome": str})
    assert table["group"].unique().tolist() == ["sure", "false-alarms", "null-surgery", "missed", "in-doubt"]
    assert table.groupby("group")["rank"].max().max() <= 4
    found = pd.read_parquet(run / "pairs.parquet").set_index("image_id")
    assert (found.loc[table["image_id"], "part"] == "test").all()
    assert found.loc[table["image_id"], "kind"].tolist() == table["kind"].tolist()
    page = (output / "index.html").read_text()
    assert len(re.findall(r'src="data:image/webp;base64,', page)) == len(table)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_missing_images_are_named_with_the_remedy(run, home, tmp_path):
    moved = shutil.move(home / "data", tmp_path / "moved")
    try:
        result = call(run, "--output", tmp_path / "page", code=1)
        assert "data_dir" in error_of(result)
        call(run, "--output", tmp_path / "page", "--count", 1, "--data-dir", moved)
    finally:
        shutil.move(moved, home / "data")


def test_other_images_are_refused(run, tmp_path):
    other = write_chromosomes(tmp_path / "other", cases=7)
    result = call(run, "--output", tmp_path / "page", "--data-dir", other, code=1)
    assert "are not those of" in error_of(result)


def test_a_run_that_compares_no_homologues_is_refused(tmp_path):
    folder = tmp_path / "single"
    write_untrained_run(folder, small_config(tmp_path, "model=resnet18", "model.cut=layer1"))
    result = call(folder, "--output", tmp_path / "page", code=1)
    assert "name a run of +experiment=homologue_pairs" in error_of(result)
