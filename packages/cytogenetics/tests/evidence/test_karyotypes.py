"""The tables of karyotypes follow from the kept cells alone."""

import pandas as pd
import pytest

from cytogenetics.evidence.karyotypes import TABLES, keep, write_tables
from karyocyte.common.errors import UserError

REVISION = "0123456789ab"


@pytest.fixture
def results(tmp_path):
    """Four kept cells of two cases: three wholly right, one of them referred."""
    cells = pd.DataFrame({"case": [*"aabb"], "cell": [*"1234"], "part": "test", "true": "46,XX", "named": "46,XX"})
    cells["probability"] = [0.75, 0.5, 1.0, 0.25]
    cells["referred"] = [False, True, False, True]
    cells["wholly_right"] = [True, True, True, False]
    counts = {"chromosomes": 46, "found": 46, "right": [46, 46, 46, 44], "alone": 40}
    keep(cells.assign(**counts), "chromosomes", REVISION, tmp_path)
    pictures = {"kind": "normal", "shown": True, "crossing": 2, "crossing_found": 1, "invented": 0}
    keep(cells.assign(**counts, **pictures), "metaphases", REVISION, tmp_path)
    return tmp_path


def values(results, kind):
    write_tables(results)
    return pd.read_csv(results / TABLES[kind]).set_index("metric")["value"]


@pytest.mark.parametrize("kind", TABLES)
def test_tables_follow_from_the_kept_cells(results, kind):
    found = values(results, kind)
    assert found["cells wholly right"] == 0.75
    assert found["not referred, wholly right"] == 1
    assert found["probability of the karyotype, mean"] == 0.625
    assert found["chromosomes right"] == pytest.approx(182 / 184, abs=1e-6)
    assert set(pd.read_csv(results / TABLES[kind], dtype=str)["revision"]) == {REVISION}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("column", "value", "metric"),
    [
        ("wholly_right", False, "cells wholly right"),
        ("referred", True, "referred"),
        ("probability", 0.5, "probability of the karyotype, mean"),
    ],
)
def test_a_changed_cell_changes_its_table(results, kind, column, value, metric):
    before = values(results, kind)
    path = results / "evidence" / "karyotypes" / f"{kind}.parquet"
    cells = pd.read_parquet(path)
    cells.loc[0, column] = value
    cells.to_parquet(path)
    assert values(results, kind)[metric] != before[metric]


def test_cells_of_a_part_are_replaced(results):
    path = results / "evidence" / "karyotypes" / "chromosomes.parquet"
    kept = pd.read_parquet(path)
    keep(kept.iloc[:1].astype({"probability": float}).assign(part="validation"), "chromosomes", REVISION, results)
    keep(kept.iloc[1:], "chromosomes", REVISION, results)
    assert pd.read_parquet(path)["part"].value_counts().to_dict() == {"test": 3, "validation": 1}


def test_cells_that_code_without_a_revision_named_are_not_kept(results):
    kept = pd.read_parquet(results / "evidence" / "karyotypes" / "chromosomes.parquet")
    for revision in (f"{REVISION}+changes", "unknown"):
        with pytest.raises(UserError, match="not committed"):
            keep(kept, "chromosomes", revision, results)
