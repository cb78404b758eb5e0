"""The options of scripts/report.py: checked first, without the imports of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from karyocyte.common.arguments import existing_predictions


@dataclass(frozen=True)
class ReportRequest:
    """The options of scripts/report.py, which explains them."""

    runs: Sequence[Path]
    output: Path | None = None
    images: int = 2000
    key: Path | None = None

    @property
    def page(self) -> Path:
        """The file to write."""
        if self.output is not None:
            return self.output
        if len(self.runs) > 1:
            return Path("report.html")
        only = self.runs[0]
        return (only if only.is_dir() else only.parent) / "report.html"

    def check(self) -> None:
        """Check the options without reading predictions.

        Raises:
            UserError: Predictions are missing or named twice.
        """
        existing_predictions(self.runs)
