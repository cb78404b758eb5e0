"""scripts/review.py on synthetic cells: labels that a training reads, and the page served by a process."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pandas as pd
import pytest

from cytogenetics.commands.review import app
from cytogenetics.review.cell_bundle import ReviewBundle
from cytogenetics.review.decisions import DecisionLog
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config
from packages.cytogenetics.tests.review.bundles import MALE, decision, write_cells
from tests.helpers.sources import list_images
from tests.helpers.terminal import error_of, run_app


def approve(path, reader, kinds, cell="c0", model=None):
    classes = {f"{cell}/{row:02d}.png": kind for row, kind in enumerate(kinds)}
    log = DecisionLog(path)
    model = model or ReviewBundle(path.parent).identity(cell)
    log.append(decision("approve", cell=cell, reader=reader, to="46,XY", classes=classes, model=model))
    log.close()


def test_labels_that_a_training_reads(output, tmp_path):
    approve(output / "decisions.jsonl", "reader1", ["none", "5", *MALE[2:]])
    approve(output / "decisions.jsonl", "reader2", ["none", *MALE[1:]])
    labels = tmp_path / "tables" / "labels.csv"
    printed = run_app(app, output, "--export-labels", labels).output
    assert "1 on which readers differ, 1 markers or no chromosomes" in " ".join(printed.split())
    table = pd.read_csv(labels, dtype=str)
    assert table["class"].tolist() == MALE[2:]
    keys = [f"data.file={labels}", "data.label_column=class", "data.subject_column=case_id"]
    config = compose_config(["data=table", f"data_dir={output}", *keys])
    assert len(list_images(config.data, output, tmp_path / "cache").frame) == 44
    assert "exists already" in error_of(run_app(app, output, "--export-labels", labels, code=1))


def test_labels_are_of_the_pictures_that_were_approved(output, tmp_path):
    approve(output / "decisions.jsonl", "reader1", MALE)
    pictures = sorted((output / "images" / "c0").iterdir())
    before = pictures[3].read_bytes()
    pictures[3].write_bytes(pictures[30].read_bytes())
    labels = tmp_path / "labels.csv"
    error = error_of(run_app(app, output, "--export-labels", labels, code=1))
    assert f"1 label would be of other pictures: {pictures[3]} is another picture" in error
    run_app(app, output, "--export-labels", tmp_path / "accepted.csv", "--accept-changes")
    pictures[3].unlink()
    missing = error_of(run_app(app, output, "--export-labels", labels, "--accept-changes", code=1))
    assert f"{pictures[3]} is missing" in missing
    assert not labels.exists()
    pictures[3].write_bytes(before)
    run_app(app, output, "--export-labels", labels)


def test_the_page_is_served_until_ctrl_c(output):
    approve(output / "decisions.jsonl", "reader1", MALE)  # and a server was killed before it wrote that
    command = [sys.executable, "scripts/review.py", str(output), "--reader", "reader1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/\S+/", process.stdout.readline()).group()
        lines = [process.stdout.readline() for _ in range(2)]
        assert "decisions.jsonl" in lines[0]
        assert len(pd.read_csv(output / "approved" / "approved.csv")) == 1
        with urllib.request.urlopen(address, timeout=300) as answer:
            assert "Review of karyotypes" in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address.rsplit("/", 2)[0] + "/other/", timeout=300)
    finally:
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
    assert "1 cell of 2 approved" in rest
    assert str(output / "approved" / "index.html") in "".join(rest.split())
    assert not errors


def test_labels_of_cells_without_a_case_have_no_column_of_cases(tmp_path):
    """Else a training would take all for images of no subject, in place of the cells."""
    write_cells(tmp_path / "out", case=None)
    approve(tmp_path / "out" / "decisions.jsonl", "reader1", MALE)
    run_app(app, tmp_path / "out", "--export-labels", tmp_path / "labels.csv")
    assert list(pd.read_csv(tmp_path / "labels.csv")) == ["path", "class", "cell_id"]


def test_decisions_on_other_pictures_are_listed_and_not_used(output, tmp_path):
    approve(output / "decisions.jsonl", "reader1", MALE, model="0123456789abcdef")
    refused = run_app(app, output, "--export-labels", tmp_path / "labels.csv", code=1)
    assert "1 decision on other pictures or predictions left out, of c0" in " ".join(refused.output.split())
    run_app(app, output, "--export-labels", tmp_path / "labels.csv", "--accept-changes")
    assert len(pd.read_csv(tmp_path / "labels.csv")) == 46
