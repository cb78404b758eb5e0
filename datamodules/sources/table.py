"""A CSV file, one row per image."""

from pathlib import Path
from typing import Literal

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.manifest.manifest import Listing, Record, order_classes
from datamodules.sources._files import hint_at_archives, require_data_dir
from datamodules.sources._registry import SourceContext, source
from datamodules.sources._tables import image_places, read_table


class TableConfig(SourceConfig, defaults="data/table"):
    """A CSV file, one row per image."""

    source: Literal["table"]
    file: str = FROM_YAML
    path_column: str = FROM_YAML
    label_column: str = FROM_YAML
    subject_column: str | None = FROM_YAML
    part_column: str | None = FROM_YAML
    group_column: str | None = FROM_YAML


@source(TableConfig)
def list_table(data: TableConfig, context: SourceContext) -> Listing:
    """List the images that a CSV file names; the image's id is its path as the table writes it.

    Paths are relative to the folder of the table. An empty label, subject, part or group is unknown; an image without
    label is not used for training or testing. With ``data.file`` absolute, ``data_dir`` may be left out.

    Raises:
        UserError: The table or a column is missing, a path is empty, given twice, missing on disk or outside the data
            folder (each naming the row as a spreadsheet counts: the header is row 1), or the positive class is not
            said.
    """
    file, root = _locate(data.file, context.data_dir)
    table = read_table(file)
    for key in ("path_column", "label_column", "subject_column", "part_column", "group_column"):
        column = getattr(data, key)
        if column is not None and column not in table.columns:
            raise UserError(f"{file} has no column {column}: set data.{key} to one of {', '.join(table.columns)}")
    places = image_places(table[data.path_column], file, root)
    columns: tuple[str | None, ...] = (data.label_column, data.subject_column, data.part_column, data.group_column)
    facts = []
    for column in columns:
        facts.append([None] * len(table) if column is None else [value or None for value in table[column]])
    records = []
    for name, place, label, subject, part, group in zip(table[data.path_column], places, *facts, strict=True):
        records.append(Record(name, place, label, subject, part, group=group))
    classes = order_classes({record.label for record in records if record.label}, data.positive_class)
    unlabelled = sum(record.label is None for record in records)
    notes = []
    if unlabelled:
        notes.append(f"{unlabelled:,} rows of {file.name} have no label and are not used")
    return Listing(tuple(records), root, classes, data.positive_class, "table", tuple(notes))


def _locate(name: str, data_dir: str | None) -> tuple[Path, Path]:
    """Return the table's path and the folder that the images' paths are written below."""
    file = Path(name).expanduser()
    if file.is_absolute() and data_dir is None:
        root = file.parent
    else:
        root = require_data_dir(data_dir)
        file = root / file
    if not file.is_file():
        raise UserError(f"no table {file}{hint_at_archives(root) if root.is_dir() else ''}: set data.file")
    return file, root
