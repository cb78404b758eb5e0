"""results/sources.csv lists every file of results/, and the line below a table says what its files are."""

import pandas as pd
import pytest

from docs.tables import MARKS, fill, mark, read_sources, sources
from karyocyte.common.paths import ROOT

KINDS = {*MARKS, "measured", "printed", "picture"}
FOLDERS = {"left_out": "chromosomes", "area": "recomputed", "networks": "recomputed", "person_pairs": "recomputed"}
LISTS = {"README.md", "sources.csv"}


def test_every_file_has_a_row_and_no_row_lacks_its_file():
    results = ROOT / "results"
    files = {path.relative_to(results).as_posix() for path in results.rglob("[!.]*") if path.is_file()} - LISTS
    listed = read_sources(results)
    assert sorted(listed["file"]) == sorted(file for file in files if not file.startswith("evidence/"))
    assert set(listed["kind"]) <= KINDS
    assert listed[["what", "command"]].ne("").all(axis=None)
    assert listed.loc[listed["kind"] != "printed", "revision"].ne("").all()


@pytest.fixture
def listed(tmp_path):
    """Write a list of files, by name and kind, of revision abc."""

    def write(**kinds):
        facts = ("abc", "what", "`python scripts/evaluate.py`")
        rows = [(f"{FOLDERS[file]}/{file}.csv", kind, *facts) for file, kind in kinds.items()]
        pd.DataFrame(rows, columns=["file", "kind", "revision", "what", "command"]).to_csv(tmp_path / "sources.csv")
        return tmp_path

    return write


def test_a_block_says_where_its_files_come_from_and_measurements_have_no_line(listed):
    assert mark("left_out", listed(left_out="no predictions kept")) == "\n*No predictions kept (revision abc).*\n"
    assert mark("left_out", listed(left_out="measured")) == mark("commands", listed()) == ""
    text = mark("papers", listed(area="evidence", networks="no predictions kept"))
    assert "`recomputed/area.csv`: recomputed from `results/evidence` by `make results`." in text
    assert "`recomputed/networks.csv`: no predictions kept (revision abc)." in text


def test_the_line_is_a_part_of_the_block(tmp_path, listed):
    (tmp_path / "recomputed").mkdir()
    row = {"name": "net", "pairs": [9], "network": 0.5, "network_low": 0.4, "network_high": 0.6}
    row |= {"difference": 0.1, "difference_low": 0.0, "difference_high": 0.2}
    pd.DataFrame(row).to_csv(tmp_path / "recomputed" / "person_pairs.csv")
    page = "<!-- table: person_pairs -->\n<!-- /table -->\n"
    filled = fill(page, listed(person_pairs="evidence"))
    assert filled.endswith("\n*Recomputed from `results/evidence` by `make results`.*\n<!-- /table -->\n")
    assert fill(filled, tmp_path) == filled


@pytest.mark.parametrize(
    "command",
    ["python -m benchmarks.gone", "python scripts/gone.py", "train.py +experiment=gone", "train.py of revision abc"],
)
def test_what_this_revision_cannot_make_is_counted(tmp_path, command):
    rows = {"file": ["a.csv", "b.csv", "c.csv"], "kind": ["measured"] * 2 + ["evidence"], "revision": "abc"}
    commands = [f"`{command}`", "`python -m cytogenetics.evidence.karyotypes`", f"`make results`; {command}"]
    pd.DataFrame(rows).assign(what=["it", "that", "those"], command=commands).to_csv(tmp_path / "sources.csv")
    _, _, here, kept, _, last = sources(tmp_path).splitlines()
    assert here == "| `b.csv` | that | `python -m cytogenetics.evidence.karyotypes` |"
    assert kept == "| `c.csv` | those | `make results` |"
    assert last.startswith("1 further file")
