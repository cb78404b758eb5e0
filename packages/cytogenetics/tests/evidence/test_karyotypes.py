"""The tables of karyotypes follow from the kept cells alone."""

import shutil

import pandas as pd
import pytest

from cytogenetics.evidence.karyotypes import RESULTS, TABLES, write_tables


@pytest.mark.parametrize("kind", TABLES)
def test_tables_follow_from_the_kept_cells_and_change_with_them(tmp_path, kind):
    kept, written = tmp_path / "evidence" / "karyotypes" / f"{kind}.parquet", tmp_path / TABLES[kind]
    for place in (kept, written):
        place.parent.mkdir(parents=True)
    for file in (kept.relative_to(tmp_path), "metaphases/truth.csv"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RESULTS / file, tmp_path / file)
    write_tables(tmp_path)
    assert written.read_text() == (RESULTS / TABLES[kind]).read_text()
    cells = pd.read_parquet(kept)
    cells.loc[0, "referred"] = not cells.loc[0, "referred"]
    cells.to_parquet(kept)
    write_tables(tmp_path)
    assert written.read_text() != (RESULTS / TABLES[kind]).read_text()
