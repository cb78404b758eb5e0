"""scripts/reproduce.py from the data to the page: two experiments of paper 003 on synthetic cells."""

import hashlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from docs.synthetic_cnmc import draw_cells
from karyocyte.common.cli import INTERRUPTED
from karyocyte.common.paths import ROOT
from karyocyte.workflows.papers.claims import printed_claims
from tests.helpers.training import QUICK, command, typed_places

pytestmark = pytest.mark.slow

FIRST, SECOND = "hem_all_cnn_32", "hem_all_cnn_64"
RENEWED = {"steps.json", "reproduction.html"}  # they add up the time of all calls


@dataclass(frozen=True)
class Call:
    """How a call of the script ended: exit code, what it printed, and a hash of each file after it."""

    code: int
    output: str
    files: dict[str, str]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with 53 synthetic cells in the challenge's folders."""
    folder = tmp_path_factory.mktemp("reproduce")
    draw_cells(folder / "drawn", 0.005)
    return folder


def start(home: Path, *more: str) -> subprocess.Popen[str]:
    """Start the script in a process group of its own, which has Ctrl-C as a terminal's has."""
    options = ["--experiments", f"{FIRST},{SECOND}", "--output", str(home / "out"), *more]
    words = ["003", f"data_dir={home / 'drawn'}", *QUICK, *typed_places(home), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(
        command(*words, script="scripts/reproduce.py"), cwd=ROOT, text=True, start_new_session=True, **pipes
    )


def ended(process: subprocess.Popen[str], home: Path) -> Call:
    output, _ = process.communicate(timeout=600)
    files = {}
    for top in (home / "outputs", home / "out"):
        for path in top.rglob("*"):
            if path.is_file() and path.name not in RENEWED:
                files[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return Call(process.returncode, output, files)


def figures(home: Path) -> pd.DataFrame:
    return pd.read_csv(home / "out" / "reproduction.csv", dtype={"printed": str}).set_index("experiment")


@pytest.fixture(scope="module")
def interrupted(home):
    """Ctrl-C comes once the first training runs."""
    process = start(home)
    while process.poll() is None and not list(home.glob(f"outputs/{FIRST}/*/seed=0/status.json")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    return ended(process, home)


@pytest.fixture(scope="module")
def failed(home, interrupted):
    """The same line, while something else lies where the second experiment is to be written; and the table then."""
    (home / "outputs" / SECOND).write_text("no folder")
    call = ended(start(home), home)
    return call, figures(home), (home / "out" / "reproduction.html").read_text()


@pytest.fixture(scope="module")
def whole(home, failed):
    """The same line once the way is free."""
    (home / "outputs" / SECOND).unlink()
    return ended(start(home), home)


def test_ctrl_c_ends_all_and_leaves_no_page(interrupted):
    assert interrupted.code == INTERRUPTED
    assert "interrupted: the same command goes on with what is missing" in interrupted.output
    assert "Traceback" not in interrupted.output
    assert "out/reproduction.csv" not in interrupted.files


def test_a_failed_run_is_named_and_all_others_are_made(failed):
    call, table, page = failed
    assert call.code == 1
    named = f"paper split: unfinished runs of {SECOND} (1 of 1)"
    assert named in call.output
    assert named in page
    assert f"failed +experiment={SECOND}: " in call.output
    assert call.output.strip().splitlines()[-1].startswith("error: these steps failed: train-paper")
    assert table.loc[FIRST, "as_paper"].notna().all()
    assert table.loc[SECOND, "as_paper"].isna().all()


def test_the_same_line_trains_what_is_missing_and_nothing_else(failed, whole):
    assert whole.code == 0
    assert "unfinished" not in whole.output
    of_first = {path: digest for path, digest in failed[0].files.items() if path.startswith(f"outputs/{FIRST}/")}
    assert of_first.items() <= whole.files.items()
    assert any(path.startswith(f"outputs/{SECOND}/") and path.endswith("predictions.parquet") for path in whole.files)


def test_every_printed_figure_has_a_line_with_ours_and_a_verdict(home, whole):
    table = figures(home)
    page = (home / "out" / "reproduction.html").read_text()
    for claim in printed_claims(ROOT / "results", ("003",)):
        lines = table.loc[[claim.experiment]]
        found = set(zip(lines["part"], lines["metric"], lines["printed"], strict=True))
        assert found == {(figure.part, figure.metric, figure.printed) for figure in claim.figures}
        assert claim.experiment in page
    trained = table.loc[[FIRST, SECOND]]
    assert trained["as_paper"].notna().all()
    assert (trained["as_paper_low"] <= trained["as_paper_high"]).all()
    assert (trained["verdict"] == "not comparable").all()  # cells that are drawn
    assert trained["reason"].str.contains("another data set").all()
    assert table["as_paper"].notna().sum() == len(trained)


def test_the_same_line_again_trains_nothing_and_changes_no_file(home, whole):
    again = ended(start(home), home)
    assert again.code == 0
    assert "2 of 2 jobs are done already" in again.output
    assert again.files == whole.files
