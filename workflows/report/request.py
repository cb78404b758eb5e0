"""The options of scripts/report.py: checked first, without the imports of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.arguments import existing_predictions
from common.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """The options of scripts/report.py, which explains them."""

    runs: Sequence[Path]
    output: Path | None
    images: int
    megabytes: float
    real_names: bool
    key: Path | None

    @cached_property
    def table(self) -> Path | None:
        """The table of scripts/predict.py, where one is named in place of runs; also by its CSV."""
        tables = [path.with_suffix(".parquet") for path in self.runs if path.suffix in (".parquet", ".csv")]
        if not tables:
            return None
        from evaluation.predicted_table import is_predicted  # pandas takes a moment: most calls name runs

        return next(filter(is_predicted, tables), None)

    @property
    def page(self) -> Path:
        """The file to write."""
        if self.output is not None:
            return self.output
        if self.table is not None:
            return self.table.with_suffix(".html")
        if len(self.runs) > 1:
            return Path("report.html")
        only = self.runs[0]
        return (only if only.is_dir() else only.parent) / "report.html"

    def check(self) -> None:
        """Check the options without reading predictions.

        Raises:
            UserError: Predictions are missing or named twice, a table of scripts/predict.py is not named alone, or
                ``key`` is given beside ``real_names``.
        """
        if self.table is None:
            existing_predictions(self.runs)
        elif len(self.runs) > 1:
            raise UserError(f"{self.table} is a table of scripts/predict.py: name it alone")
        if self.key is not None and self.real_names:
            raise UserError("--key beside --real-names: the page shows the names, leave one of them out")
