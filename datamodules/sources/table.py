"""A CSV file, one row per image."""

import re
from pathlib import Path

from datamodules.manifest.manifest import Manifest, manifest_frame, order_classes
from datamodules.manifest.spellings import is_unknown
from datamodules.sources import SourceContext, source
from datamodules.sources.listing import data_folder, packed_in, read_image_table
from karyocyte.common.errors import UserError
from karyocyte.config.sources import TableConfig


@source(TableConfig)
def list_table(data: TableConfig, context: SourceContext) -> Manifest:
    """List the images that a CSV file names; the image's id is its path as the table writes it.

    Paths are relative to the folder of the table. An empty label, subject, part or group is unknown, and so is a label
    such as "nan" or "?", unless it is the positive class; an image without label is not used for training or testing.
    With ``data.file`` absolute, ``data_dir`` may be left out.

    Raises:
        UserError: The table is missing or unfit, see `read_image_table`, or the positive class is not said.
    """
    file = Path(data.file or "").expanduser()
    if file.is_absolute() and context.data_dir is None:
        root = file.parent
    else:
        root = data_folder(context, data.file)
        file = root / file
    if not file.is_file():
        raise UserError(f"no table {file}{packed_in(root)}: set data.file")
    table = read_image_table(file, root, data)
    notes = list(table.attrs.get("notes", ()))
    unknown = is_unknown(table["label"]) & (table["label"] != data.positive_class)
    words = sorted(set(table["label"][unknown]))
    frame = manifest_frame(table.assign(label=table["label"].mask(unknown)))
    labels = set(frame["label"].dropna())
    _check_one_class_each(labels, file)
    if unlabelled := frame["label"].isna().sum():
        meant = f", or one for what is unknown ({', '.join(words)})," if words else ""
        notes.append(f"{unlabelled:,} rows of {file.name} have no label{meant} and are not used")
    if words and len(labels) < 2:
        raise UserError(f"{notes[-1]}, so that classes are missing: give a class that is meant another name")
    classes = order_classes(labels, data.positive_class)
    return Manifest(frame, root, classes, data.positive_class, data.source, tuple(notes))


def _check_one_class_each(labels: set[str], file: Path) -> None:
    """Refuse a label that joins others, such as "a|b" beside "a" and "b"."""
    for label in sorted(labels):
        several = set(re.split(r"\s*[|;,]\s*", label))
        if len(several) > 1 and several <= labels:
            raise UserError(f"{file}: the label {label} names several classes: keep one, or leave the label empty")
