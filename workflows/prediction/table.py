"""From image files to the finished table of scripts/predict.py, part by part."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.cli import say, warn
from datamodules.inference.image_batches import read_thumbnail
from datamodules.inference.image_files import ImageFile
from datamodules.io.progress import progress_bar
from evaluation.predicted_table import PredictedFacts, merge_parts, read_about, write_part
from evaluation.uncertainty.flags import LIMIT, SIDE, draw_contact_sheet
from workflows.predict_request import PredictRequest
from workflows.prediction.chunk import ChunkPredictor
from workflows.prediction.parts import Parts


@dataclass(frozen=True)
class TableWriter:
    """Writes the table, its parquet file and the contact sheet of a request.

    Attributes:
        request: The request.
        predictor: Of its members.
        files: All files that will be predicted.
        parts: What is predicted already.
    """

    request: PredictRequest
    predictor: ChunkPredictor
    files: Sequence[ImageFile]
    parts: Parts

    def write(self, facts: PredictedFacts) -> None:
        """Predict what is not predicted yet, and write all files; where they are written already, finish that."""
        outputs = (self.request.parquet, self.request.output)
        if not self.parts.has_outputs(outputs):
            paths = self._predict()
            named = replace(facts, name=str(read_about(paths[0])["name"]))
            self.parts.write_outputs(outputs, lambda staged: merge_parts(paths, staged[0], staged[1], named))
        self.parts.move_outputs(outputs)
        if self.request.sheet and not self.request.sheet.exists():
            self._draw_sheet(self.request.sheet, read_about(min(self.parts.present())))
        self.parts.remove()

    def _predict(self) -> list[Path]:
        """Predict the files in chunks, each of which is kept as soon as it is predicted; return all parts, in order."""
        size = self.request.settings.chunk_size
        chunks = range(0, len(self.files), size)
        before = self.parts.present()
        if before:
            say(f"{self.parts.folder} holds {len(before):,} of {len(chunks):,} parts: going on")
        paths = []
        members = len(self.predictor.members)
        with (
            self._kept_when_interrupted(len(chunks)),
            progress_bar(len(self.files) * members, "predicting", True) as advance,
        ):
            for number, first in enumerate(chunks):
                chunk = self.files[first : first + size]
                path = self.parts.path(number, chunk)
                if path in before:
                    advance(len(chunk) * members)
                else:
                    predicted = self.predictor.predict(chunk, advance)
                    write_part(path, predicted.table, predicted.about)
                paths.append(path)
        outdated = len(before - set(paths))
        if outdated:
            warn(f"{outdated:,} parts were of other files, or of files that have changed since: predicted again")
        return paths

    @contextmanager
    def _kept_when_interrupted(self, total: int) -> Iterator[None]:
        try:
            yield
        except BaseException:  # Ctrl-C, too
            warn(
                f"{self.parts.folder} holds {len(self.parts.present()):,} of {total:,} parts: the same command goes on"
            )
            raise

    def _draw_sheet(self, path: Path, about: dict[str, Any]) -> None:
        """Draw the most doubtful images of the finished table; nothing where all files are broken."""
        table = pq.ParquetFile(self.request.parquet)
        first = pa.Table.from_batches([next(table.iter_batches(LIMIT))]).to_pandas()
        shown = first[first["status"] == "predicted"]
        if shown.empty:
            return
        names = set(shown["file"])
        # The table's own paths are text, which a path need not be.
        paths = {file.name: file.path for file in self.files if file.name in names}
        thumbnails = [read_thumbnail(paths[name], SIDE) for name in shown["file"]]
        draw_contact_sheet(path, shown, thumbnails, about, predicted_count(table))


def predicted_count(table: pq.ParquetFile) -> int:
    """Return the number of files of a table that are not broken."""
    batches = table.iter_batches(columns=["status"])
    return sum(int((batch.to_pandas()["status"] == "predicted").sum()) for batch in batches)
