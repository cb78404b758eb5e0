"""Each command of the tutorials runs, and what they say is there afterwards is there.

Those of sweep_on_slurm need a cluster: tests/cluster/test_tutorial.py.
"""

import pandas as pd
import pytest

from cytogenetics.review.cell_bundle import ReviewBundle
from cytogenetics.review.decisions import DecisionLog
from karyocyte.common.paths import ROOT
from packages.cytogenetics.tests.review.bundles import decision
from tests.tutorials.reader import MAKE_DEMO, TUTORIALS, Reader, commands


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    return Reader(tmp_path_factory.mktemp("tutorials"))


@pytest.fixture(scope="module")
def karyotyped(reader) -> str:
    return reader.follow("karyotype_a_cell")


def missing(reader: Reader, *patterns: str) -> list[str]:
    return [pattern for pattern in patterns if not list(reader.folder.glob(pattern))]


def test_all_tutorials_are_run_here_or_on_a_cluster():
    names = {"first_run", "own_images", "reproduce_paper_004", "karyotype_a_cell", "review_and_retrain"}
    assert {path.stem for path in TUTORIALS.glob("*.md")} == {*names, "karyotype_a_metaphase", "sweep_on_slurm"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(command.replace("python ", "$(RUN) ").replace("$(ls", "$$(ls") in makefile for command in MAKE_DEMO)


def test_first_run(reader):
    reader.follow("first_run")
    run = "outputs/demo/*/seed=0"
    names = ("report.html", "predictions.parquet", "metrics.json", "roc.png", "heatmaps/gradcam-*.png")
    assert not missing(reader, *(f"{run}/{name}" for name in names))


def test_karyotype_a_cell(reader, karyotyped):
    assert "to be referred to an expert" in karyotyped
    tables = [f"karyotypes/{name}" for name in ("index.html", "karyotypes.csv", "chromosomes.csv", "karyograms/*.png")]
    assert not missing(reader, *tables, "cells/labels.csv", "cells/cells_006/cells_006.1/38.png")


def test_karyotype_a_metaphase(reader):
    printed = ""
    for command in commands(TUTORIALS / "karyotype_a_metaphase.md"):
        printed += reader.run(command)
        for picture in sorted((reader.folder / "pictures").rglob("*.png"))[1:]:
            picture.unlink()  # one takes long enough
    assert "read as pictures of metaphases" in printed
    tables = [f"metaphase_karyotypes/{name}" for name in ("index.html", "chromosomes/*/01.png", "metaphases/case*.png")]
    assert not missing(reader, *tables)


def test_review_and_retrain(reader, karyotyped):
    approve(reader)
    reader.follow("review_and_retrain")
    assert not missing(reader, "labels.csv", "outputs/reviewed/*/seed=0/metrics.json", "karyotypes_reviewed/index.html")


def approve(reader: Reader) -> None:
    """Approve all cells with their true classes."""
    labels = pd.read_csv(reader.folder / "cells" / "labels.csv", dtype=str)
    bundle = ReviewBundle(reader.folder / "karyotypes")
    log = DecisionLog(reader.folder / "karyotypes" / "decisions.jsonl")
    for stem in bundle.stems:
        rows = labels[labels["cell_id"] == stem.split(".", 1)[1]]
        classes = dict(zip(rows["path"], rows["class"], strict=True))
        log.append(decision("approve", cell=stem, to="46,XX", classes=classes, model=bundle.identity(stem)))
    log.close()


def test_own_images(reader):
    printed = reader.follow("own_images")
    assert "to be reviewed" in printed
    run = "outputs/my_network/*/seed=0"
    tables = ("new.csv", "portable.csv", "my_model/README.md")
    assert not missing(reader, f"{run}/report.html", f"{run}/heatmaps", *tables)


def test_reproduce_paper_004(reader):
    printed = reader.follow("reproduce_paper_004")
    assert "135 printed figures: 10 other images, 125 not run" in printed
    assert not missing(reader, "reproduced/small_004/reproduction.csv")
