"""The options of scripts/export.py and their check, without the imports of models and images."""

from functools import cached_property
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.config.command import Request
from karyocyte.inference.models import RunsModel
from karyocyte.runs.arguments import new_folder
from karyocyte.runs.run import Run


class ExportRequest(Request):
    """The options of scripts/export.py, which explains them."""

    folder: Path
    output: Path
    licence: str | None = None
    data_dir: str | None = None
    half: bool = False
    notes: Path | None = None

    @cached_property
    def run(self) -> Run:
        """The run or the ensemble."""
        return Run.open(self.folder)

    @cached_property
    def model(self) -> RunsModel:
        """The same, with its members."""
        return RunsModel([self.run])

    def check(self) -> None:
        """Check the options as far as this is possible without a model and without the images.

        Raises:
            UserError: The run is not finished; the output exists; or the file of notes is missing.
        """
        self.model.check()
        new_folder(self.output)
        if self.notes is not None and not self.notes.is_file():
            raise UserError(f"--notes {self.notes} is missing: name a Markdown file on the data and their terms")
