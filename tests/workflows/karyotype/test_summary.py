"""What the user is told of cells."""

from datamodules.inference.cells import Cells
from workflows.karyotype.summary import folder_warnings


def test_folders_that_are_hardly_cells_are_warned_of():
    assert folder_warnings(Cells((), {})) == []
    empty, numbered = (folder_warnings(cells) for cells in (Cells((), {}, ("a",)), Cells((), {}, numbered=True)))
    assert "1 folder without any image: a" in empty[0]
    assert "numbers of classes" in numbered[0]
    assert len(empty) == len(numbered) == 1
