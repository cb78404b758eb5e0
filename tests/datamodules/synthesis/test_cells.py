"""Drawn blood cells."""

from tests.datamodules.synthesis.looks import changed_pictures


def test_cells_look_as_they_did_when_figures_were_measured():
    assert changed_pictures("cells").empty
