"""The tables of the documentation come from results/ and from nowhere else."""

import pandas as pd
import pytest

from common.paths import ROOT
from docs.tables.__main__ import BLOCK, fill, pages
from docs.tables.spec import TABLES
from tests.evaluation.papers.claims import claim, measured, write_results


def cells(markdown):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]


def write(folder, name, rows):
    pd.DataFrame(rows).to_csv(folder / name, index=False)
    return folder


def test_pooled_values_stand_beside_means_over_folds_and_comparisons_apart(tmp_path):
    pooled = {"mean_over_folds": 0.7, "mean_low": 0.6, "mean_high": 0.9, "folds": "0 1", "metric": "auc"}
    rows = [
        measured("net", **pooled),
        measured("one fold", metric="auc"),
        measured("a - b", metric="auc"),
        measured("a - b", metric="difference/auc", value=0.1, low=-0.1, high=0.3),
        measured("a - b", metric="mcnemar_p", value=0.0001, low=None, high=None),
    ]
    write(tmp_path, "demo.csv", rows)
    write(tmp_path, "all_idb2.csv", rows)
    heads, _, first, second = cells(TABLES["demo"](tmp_path))
    assert heads == ["label", "images", "subjects", "AUC, pooled", "AUC, mean over folds"]
    assert first == ["net", "200", "20", "0.800 (0.700 to 0.850)", "0.700 (0.600 to 0.900)"]
    assert second[-1] == "-"
    heads, _, row = cells(TABLES["all_idb2_differences"](tmp_path))
    assert heads[3:] == ["McNemar's p", "AUC"]
    assert row == ["a - b", "200", "20", "< 0.001", "+0.100 (-0.100 to +0.300)"]


def test_single_folds_beside_their_pool_are_left_out(tmp_path):
    names = ["recall/X", "recall/X_assigned", "accuracy"]
    rows = [measured("net", metric=name, folds="0 1", images_seen=6000, wall_seconds=240) for name in names]
    rows += [measured("net", metric=name, folds="0", value=0.1) for name in names]
    write(tmp_path, "chromosomes.csv", rows)
    shown = {}
    for part in TABLES["chromosomes"](tmp_path).split("\n\n"):
        heads, _, row = cells(part)
        shown |= dict(zip(heads, row, strict=True))
    assert shown == {
        "label": "net",
        "folds": "2",
        "images": "200",
        "subjects": "20",
        "images seen per fold": "3,000",
        "minutes per fold": "2",
        "accuracy": "0.800 (0.700 to 0.850)",
    }
    assert cells(TABLES["chromosome_recalls"](tmp_path))[2:] == [["X", "0.800", "0.800"]]


def test_the_gap_of_protocols_is_of_networks_that_have_both(tmp_path):
    rows = [
        measured("net", metric="auc", protocol=name, value=value) for name, value in (("subject", 0.6), ("paper", 0.9))
    ]
    rows += [measured("lonely", metric="auc", protocol=name) for name in ("subject", "image")]
    write(tmp_path, "karyograms.csv", rows)
    assert cells(TABLES["protocol_gap"](tmp_path))[2:] == [["net", "0.600", "-", "0.900", "+0.300"]]


def test_external_results_are_means_over_the_runs(tmp_path):
    rows = []
    for place, values in ((None, (0.8, 0.9)), ("other (folder, 9 images)", (0.5, 0.6))):
        rows += [measured("net", tested_on=place, folds=str(fold), value=value) for fold, value in enumerate(values)]
    write(tmp_path, "external.csv", rows)
    assert cells(TABLES["external"](tmp_path))[2:] == [["net", "2", "0.850", "0.550"]]


def test_a_claim_stands_beside_what_was_measured(tmp_path):
    rows = [claim(), claim("other", metric="val_accuracy")]
    write_results(tmp_path, [[row[0], "004", *row[2:]] for row in rows])
    write(tmp_path, "some.csv", [measured(protocol="subject", folds="0 1", wall_seconds=240)])
    text = TABLES["claims"](tmp_path)
    table = cells(text)
    assert table[2] == ["`net`", "1", "0.9 accuracy", "not comparable, 1, 2"]
    assert table[3] == ["`other`", "1", "0.9 val. accuracy", "not comparable, 3, 4"]
    assert "1. 200 of 1,000 images" in text
    figures = "0.800 (0.700 to 0.850), 200 images; 2 folds, 1 seed, 3,000 images seen, 2.0 min"
    assert f"- `net`: honest, cells: {figures}" in text


def test_two_claims_of_paper_001_do_not_follow_from_its_matrices():
    heads, _, *rows = cells(TABLES["claims_001"](ROOT / "results").split("\n\n")[-1])
    verdicts = {row[0]: row[heads.index("by the matrix")] for row in rows}
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict != "agrees"}
    assert wrong == {"`karyogram_vgg16`": "116 of 139 test images", "`karyogram_vgg16_last2`": "accuracy 0.957"}


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_the_tables_of_a_page_are_up_to_date(page):
    text = page.read_text()
    assert fill(text, ROOT / "results") == text, "run python -m docs.tables"


def test_every_table_is_on_a_page():
    shown = set()
    for page in pages(ROOT):
        shown |= {name for _, name, _ in BLOCK.findall(page.read_text())}
    assert shown == set(TABLES)


def test_claims_name_experiments_that_exist():
    table = pd.read_csv(ROOT / "results" / "claims.csv")
    names = set(table.loc[table["members"].isna(), "experiment"])  # ensembles have members
    assert all((ROOT / "conf" / "experiment" / f"{name}.yaml").is_file() for name in names)
