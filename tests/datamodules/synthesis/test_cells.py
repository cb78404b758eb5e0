"""Drawn blood cells."""

from tests.datamodules.synthesis.looks import check_looks


def test_cells_look_as_they_did_when_figures_were_measured():
    check_looks("cells")
