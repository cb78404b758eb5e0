"""scripts/reproduce.py from the data to the grades: two experiments of paper 003 on synthetic cells."""

import hashlib
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from docs.synthetic_cnmc import draw_cells
from karyocyte.common.paths import ROOT
from reproduction.claims import printed_claims
from tests.helpers.training import QUICK, command, typed_places

pytestmark = pytest.mark.slow

FIRST, SECOND = "hem_all_cnn_32", "hem_all_cnn_64"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with 53 synthetic cells in the challenge's folders."""
    folder = tmp_path_factory.mktemp("reproduce")
    draw_cells(folder / "drawn", 0.005)
    return folder


def reproduced(home: Path, code: int) -> tuple[str, dict[str, str]]:
    """Call the script, which must end with the code; return what it printed, and a hash of each file after it."""
    options = ["--experiments", f"{FIRST},{SECOND}", "--output", str(home / "out")]
    words = ["003", f"data_dir={home / 'drawn'}", *QUICK, *typed_places(home), *options]
    line = command(*words, script="scripts/reproduce.py")
    done = subprocess.run(line, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == code, done.stdout
    files = {}
    for path in [*(home / "outputs").rglob("*"), *(home / "out").rglob("*")]:
        if path.is_file():
            files[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return done.stdout, files


@pytest.fixture(scope="module")
def failed(home):
    """A call while something else lies where the second experiment is to be written."""
    (home / "outputs").mkdir()
    (home / "outputs" / SECOND).write_text("no folder")
    return reproduced(home, 1)


@pytest.fixture(scope="module")
def whole(home, failed):
    """The same line once the way is free."""
    (home / "outputs" / SECOND).unlink()
    return reproduced(home, 0)


def test_a_failed_run_is_named_and_the_same_line_trains_what_is_missing_and_nothing_else(failed, whole):
    output, files = failed
    assert f"paper split: unfinished runs of {SECOND} (1 of 1)" in output
    assert output.strip().splitlines()[-1].startswith("error: these steps failed: train-paper")
    assert "unfinished" not in whole[0]
    of_first = {path: digest for path, digest in files.items() if path.startswith(f"outputs/{FIRST}/")}
    assert of_first.items() <= whole[1].items()
    assert any(path.startswith(f"outputs/{SECOND}/") and path.endswith("predictions.parquet") for path in whole[1])


def test_every_printed_figure_has_a_line_with_ours_and_a_grade(home, whole):
    table = pd.read_csv(home / "out" / "reproduction.csv", dtype={"printed": str})
    found = set(zip(table["experiment"], table["part"], table["metric"], table["printed"], strict=True))
    claims = printed_claims(ROOT / "results", ("003",))
    assert found == {(claim.experiment, claim.part, claim.metric, claim.printed) for claim in claims}
    trained = table[table["experiment"].isin([FIRST, SECOND])]
    assert (trained["low"] <= trained["high"]).all()
    assert (trained["grade"] == "other images").all()  # cells that are drawn
    assert table["value"].notna().sum() == len(trained)


def test_the_same_line_again_trains_nothing_and_changes_no_file(home, whole):
    output, files = reproduced(home, 0)
    assert "2 of 2 jobs are done already" in output
    assert files == whole[1]
