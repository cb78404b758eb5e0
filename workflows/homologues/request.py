"""The options of ``scripts/explain.py pairs``, checked without the libraries of models."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.arguments import new_folder
from common.errors import UserError
from common.runs.files import RunFile
from common.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class PairPageRequest:
    """The options of the command, which explains them.

    Raises:
        UserError: The run is not finished or compares no homologues, or the folder exists.
    """

    run: Path
    output: Path
    count: int = 30
    data_dir: str | None = None

    def __post_init__(self) -> None:
        new_folder(self.output)
        if not self.opened.has(RunFile.PAIRS):
            raise UserError(f"{self.run} does not compare homologues: name a run of +experiment=homologue_pairs")

    @cached_property
    def opened(self) -> Run:
        """The finished run."""
        return Run.open_finished(self.run)
