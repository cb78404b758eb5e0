"""Single chromosomes in 24 classes: a table with case and cell, or one folder per class."""

from pathlib import Path

import pandas as pd

from datamodules.manifest.manifest import Manifest, manifest_frame
from datamodules.sources import SourceContext, source
from datamodules.sources.listing import data_folder, image_files, name_parser, packed_in, read_image_table, sub_folders
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES, class_of
from karyocyte.config.sources import ChromosomesConfig

CASES = "case_id"  # the usual column of data.subject_column


@source(ChromosomesConfig)
def list_chromosomes(data: ChromosomesConfig, context: SourceContext) -> Manifest:
    """List single chromosomes; the classes are 1 to 22, X and Y, in this order.

    With ``data.file`` (labels.csv) a row is a chromosome: its path, class and cell, and, in ``data.subject_column``,
    its case. Where a table has no column of the usual name, case_id, or there is no table, the cell is the subject, and
    a note says so: persons are apart by case, or, if only cells are known, by cell. With ``data.file: null`` the
    class is the name of the folder directly below ``data_dir``, and ``data.cell_regex`` finds the cell in the file's
    name: its group ``cell``, or else the first.

    Classes may be written 1 to 24 (23 is X, 24 is Y), with leading zeros, "chr" before them, or as X and Y.

    Raises:
        UserError: The table, a column or a file is missing; a class folder or a label is none of the 24; a chromosome
            has no cell, or cells of two cases bear one name; the data folder is missing or empty.
    """
    root = data_folder(context, data.file)
    if data.file is None:
        table = _read_folders(data, root, context.follow_links)
    else:
        table = _read_labels(data, root, root / data.file)
    # Cells are scaled and assigned as a whole: two cases whose cells bear the same name would be mixed up.
    named = table[table["cell"].notna() & (table["subject"] != "")]
    first = named.drop_duplicates("cell").set_index("cell")
    mixed = named[named["subject"] != named["cell"].map(first["subject"])]
    if len(mixed):
        cell, subject, path = mixed[["cell", "subject", "path"]].iloc[0]
        other = f"{first['subject'][cell]} ({first['path'][cell]})"
        remedy = "give each cell a name that no other case uses, e.g. <case>.<cell>"
        raise UserError(f"{root}: cell {cell} is of {other} and of {subject} ({path}): {remedy}")
    return Manifest(manifest_frame(table), root, CHROMOSOMES, None, data.source, (_note(table),))


def _read_labels(data: ChromosomesConfig, root: Path, file: Path) -> pd.DataFrame:
    if data.cell_regex is not None:
        raise UserError("data.cell_regex counts with data.file=null alone, a table names its cells: leave it out")
    if not file.is_file():
        remedy = "set data.file, or data.file=null for one folder per class"
        raise UserError(f"no table {file}{packed_in(root)}: {remedy}")
    # The usual column of cases may be missing, as the note then says; one that the user names may not.
    table = read_image_table(file, root, data, optional=CASES)
    if "cell" not in table:
        table["cell"] = None
    if "subject" not in table:
        table["subject"] = table["cell"]
    for row, cell in table["cell"].items():
        if cell == "":
            remedy = "name the cell, or set data.cell_column=null to do without cells"
            raise UserError(f"{file}, row {row}: the chromosome has no {data.cell_column}: {remedy}")
    for row, text in table["label"].items():
        if class_of(text) is None:
            label = text or "(empty)"
            raise UserError(f"{file}, row {row}: class {label} is none of 1 to 24 (23 = X, 24 = Y), X and Y")
    return table.assign(label=table["label"].map(class_of))


def _read_folders(data: ChromosomesConfig, root: Path, follow_links: bool) -> pd.DataFrame:
    parse_cell = name_parser(data.cell_regex, "data.cell_regex", "cell")
    folders = sub_folders(root, follow_links)
    if not folders:
        raise UserError(f"{root} has no class folders{packed_in(root)}: one per class, 1 to 22, X and Y")
    rows = []
    for folder in folders:
        label = class_of(folder.name)
        if label is None:
            raise UserError(f"{folder}: an unknown class; folders are named 1 to 22, X and Y (or 23 and 24)")
        for path in image_files(folder, follow_links):
            below = path.relative_to(root).as_posix()
            cell = parse_cell(path)
            rows.append({"image_id": below, "path": below, "label": label, "subject": cell, "cell": cell})
    return pd.DataFrame(rows, columns=["image_id", "path", "label", "subject", "cell"])


def _note(table: pd.DataFrame) -> str:
    cells = table["cell"].nunique()
    if not cells:
        return "the cells are not known: no split by cell, no assignment (data.cell_column, data.cell_regex)"
    counted = f"{len(table):,} chromosomes of {cells:,} cells"
    if (table["subject"] == table["cell"]).all():
        return f"{counted}; cases are not known: each cell counts as a subject of its own (data.subject_column)"
    return f"{counted} and {table['subject'].replace('', pd.NA).nunique():,} subjects"
