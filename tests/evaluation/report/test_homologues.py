"""The section on comparisons of homologues."""

from common.predictions import write_predictions
from common.runs.run import Run
from evaluation.report import homologues
from evaluation.report.homologues import homologues_section
from evaluation.report.sources import read_chapters
from tests.evaluation.homologues.made_up_pairs import made_up_run
from tests.helpers.predictions import make_run


def test_the_section_shows_pairs_cells_and_controls(tmp_path, monkeypatch):
    monkeypatch.setattr(homologues, "as_picture", lambda draw, size: "data:,")
    predictions, pairs = made_up_run(lambda size: 100.0, cases=6, validation=4, chromosomes=3)
    write_predictions(tmp_path / "run" / "predictions.parquet", predictions)
    Run(tmp_path / "run").write_pairs(pairs)
    section = homologues_section(read_chapters([tmp_path / "run"])[0], "homologues")
    of_pairs, of_units, of_controls = section.tables
    assert of_pairs.rows[0]["kind"] == "all"
    assert of_pairs.rows[0]["all sizes"].startswith("1.000")
    assert of_units.rows[0]["cell"].startswith("1.000")
    assert "normal cells that alarm" in [row["measured"] for row in of_controls.rows]
    assert len(section.figures) == 2


def test_other_runs_have_no_section(tmp_path):
    write_predictions(tmp_path / "run" / "predictions.parquet", make_run(0, images=30, subjects=10, skill=2.0))
    assert not homologues_section(read_chapters([tmp_path / "run"])[0], "homologues")
