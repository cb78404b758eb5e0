"""A table of cells, such as suspect_labels.csv: those to leave out of an evaluation or of a training."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UserError
from common.files import sha256_of_value

if TYPE_CHECKING:
    import pandas as pd

CELL = "cell_id"
PATH = "path"
SHOWN = 5  # unknown cells that a message names


@dataclass(frozen=True)
class CellList:
    """The cells of a table with a column ``cell_id``.

    Attributes:
        file: The table.
        paths: For each cell the paths of the images that the table lists, () without a column ``path``.
    """

    file: Path
    paths: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, file: Path | str) -> "CellList":
        """Read a CSV table with a row per cell or per image.

        Raises:
            UserError: The file is missing or no table, has no column ``cell_id``, or a row without a cell.
        """
        import pandas as pd

        file = Path(file)
        try:
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is not a readable table of cells: name a CSV file with {CELL}") from error
        if CELL not in table:
            raise UserError(f"{file} has no column {CELL}, which names the cells to leave out: add it")
        empty = table.index[table[CELL] == ""]
        if len(empty):
            raise UserError(f"{file}, row {empty[0] + 2}: no {CELL}: name the cell, or remove the row")
        paths: dict[str, list[str]] = {}
        for cell, path in zip(table[CELL], table.get(PATH, table[CELL]), strict=True):
            paths.setdefault(cell, []).extend([path] if PATH in table else [])
        return cls(file, {cell: tuple(found) for cell, found in paths.items()})

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of the cells, in the order of the table."""
        return tuple(self.paths)

    @cached_property
    def content(self) -> str:
        """A SHA-256 over the names of the cells, whatever their order and the other columns."""
        return sha256_of_value(sorted(self.cells))

    def rows(self, frame: "pd.DataFrame") -> "pd.Series":
        """Tell for each row of a frame with a column ``cell`` whether it is of one of the cells: bool."""
        return frame["cell"].isin(self.cells)

    def check_known(self, cells: Iterable[str], paths: Iterable[str] = ()) -> None:
        """Refuse cells that are neither among ``cells`` nor have an image among ``paths``.

        Raises:
            UserError: Names the unknown cells.
        """
        known = set(cells)
        known_paths = set(paths)
        unknown = [cell for cell in self.cells if cell not in known and known_paths.isdisjoint(self.paths[cell])]
        if unknown:
            named = ", ".join(unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
            number = "1 cell is" if len(unknown) == 1 else f"{len(unknown)} cells are"
            raise UserError(f"{self.file}: {number} not of this data set: {named}: correct or remove what is wrong")
