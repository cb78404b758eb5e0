"""What the sources share: folders, image files and tables, always in the same order."""

import os
import re
import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from datamodules.io.archives import lone_folder, resolve_data_dir
from datamodules.io.folder_content import is_own, is_system, scan_folder
from datamodules.io.text_tables import read_text_table
from datamodules.manifest.spellings import meaning
from datamodules.manifest.splits import PART_NAMES, TEST_NAMES, VALIDATION_NAMES, is_called
from datamodules.sources import SourceContext
from karyocyte.common.errors import UserError
from karyocyte.common.text import natural_key, one_line
from karyocyte.config.overrides import quote_text
from karyocyte.config.rules import DATA_DIR_HINT
from karyocyte.config.sources import SourceConfig

_COLUMNS = "|".join((*PART_NAMES, "splits?", "k?folds?", "cv", "h[oe]ldout", "eval", "subset", "partition", "usage"))
# As in is_train, inTest, datasplit, cvfold and test_flag; "invalid" is none.
_PART_COLUMNS = (rf"(is|in(?!valid)|for|use|data|cross)?({_COLUMNS})+(flag|id|index|name)?",)
_PART_VALUES = (*PART_NAMES, "development", "derivation", "discovery", "eval(uation)?", "h[oe]ldout")
_MOST_PARTS = 20  # a column of more values does not name parts
_TRUTHS = {"", "0", "1", "0.0", "1.0", "False", "True", "false", "true"}  # of one-hot columns, one for each class


def data_folder(context: SourceContext, wanted: str | None = None, searched: bool = False) -> Path:
    """Return the data folder; of a zip file the folder to which it is unpacked, or the only folder that this has.

    Args:
        context: Names the folder or zip file.
        wanted: A file that ends the search for the only folder.
        searched: Whether the source finds its folders at any depth.

    Raises:
        UserError: No folder is named, or it is missing, a file, or empty; or the zip file cannot be unpacked.
    """
    if context.data_dir is None:
        raise UserError(f"no data folder is named: {DATA_DIR_HINT}")
    resolved = resolve_data_dir(context.data_dir, context.cache_dir, context.progress)
    root = Path(resolved).expanduser()
    if not root.exists():
        problem = "missing"
    elif not root.is_dir():
        problem = "no folder and no zip"
    elif not any(root.iterdir()):
        problem = "empty"
    elif resolved == context.data_dir or searched:
        return root
    else:
        return lone_folder(root, wanted)
    raise UserError(f"data folder {root} is {problem}: {DATA_DIR_HINT}")


def image_files(folder: Path, follow_links: bool = False) -> list[Path]:
    """Return the paths of `image_names`."""
    return [folder / name for name in image_names(folder, follow_links)]


def image_names(folder: Path, follow_links: bool = False) -> list[str]:
    """Return the image files in ``folder`` and below it, by their paths below it, in natural order (`scan_folder`).

    Raises:
        UserError: A folder cannot be listed, or a name is not UTF-8.
    """
    content = scan_folder(folder, follow_links)
    for below in content.unlisted:
        raise UserError(f"{folder / below} cannot be listed: give yourself the right to read it, or move it away")
    for name in content.images:
        if re.search("[\udc80-\udcff]", name):  # how Python writes bytes that are not UTF-8
            raise UserError(f"{one_line(str(folder / name))}: the name is not UTF-8: rename it")
    return content.images


def sub_folders(folder: Path, follow_links: bool = True) -> list[Path]:
    """Return the folders in ``folder``, in natural order, without those of the operating system and of Karyocyte.

    Links are followed or refused.
    """
    with os.scandir(folder) as entries:  # iterdir would ask the disk for the kind of each file
        folders = [entry for entry in entries if entry.is_dir() and not (is_system(entry.name) or is_own(entry.path))]
    for entry in folders:
        if entry.is_symlink() and not follow_links:
            raise UserError(f"{entry.path} is a link: set `follow_links=true`, or move it away")
    return [folder / name for name in sorted((entry.name for entry in folders), key=natural_key)]


def name_parser(expression: str | None, key: str, what: str) -> Callable[[Path | str], str | None]:
    """Return a function that finds ``what`` ("subject") in a file's name; without an expression it returns None.

    Of the regular expression, the value of ``key`` ("data.subject_regex"), the group called ``what``, or else the
    first, counts.

    Raises:
        UserError: It is no regular expression, or has no group; the function raises where it finds nothing.
    """
    try:
        pattern = re.compile(expression or "()")
    except re.error as error:
        raise UserError(f"{key}={expression} is no regular expression: {error}") from error
    if pattern.groups == 0:
        raise UserError(f"{key}={expression} has no group: put the {what}'s part in (?P<{what}>...)")

    def parse(path: Path | str) -> str | None:
        """Return what the group of the expression finds in the name of a file."""
        match = pattern.search(os.path.basename(path))  # noqa: PTH119 (a Path takes ten times as long)
        text = match and match.group(pattern.groupindex.get(what, 1))
        if expression is not None and not text:
            raise UserError(f"{path}: no {what} found by {key}={expression}: fix the regular expression")
        return text or None

    return parse


def packed_in(*folders: Path) -> str:
    """Return a remedy, in brackets, for the first archive in the folders; an empty text if there is none."""
    for folder in folders:
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() == ".zip":
                return f" (data_dir={path} reads the archive that lies there)"
            if path.suffix.lower() in (".gz", ".tar", ".7z", ".rar"):
                return f" (unpack {path})"
    return ""


def read_image_table(file: Path, root: Path, data: SourceConfig, optional: str | None = None) -> pd.DataFrame:
    """Read a CSV file with a row per image.

    The keys ``<role>_column`` of ``data`` name columns, or are None; the column called ``optional`` may be missing.

    Returns:
        ``image_id`` (the path as the table writes it), ``path`` (below ``root``) and a column of text for each role
        that has one, empty where unknown. The index counts rows as a spreadsheet does: the header is row 1.

    Raises:
        UserError: The file cannot be read, has no rows or lacks a column; or a path is empty, given twice, missing on
            disk or outside ``root``.
    """
    table = read_text_table(file, data.model_dump()["path_column"])
    columns = {}
    for key, column in data.model_dump().items():
        if not key.endswith("_column") or column is None:
            continue
        if column in table.columns:
            columns[key.removesuffix("_column")] = table[column]
            table.attrs["notes"] += _note_of_spellings(table, column, key)
        elif column != optional:
            named = f"{file} has no column {column}, its first line names {', '.join(table.columns)}"
            raise UserError(f"{named}: {_remedy_of_column(table, key)}")
    if "part" not in columns:
        used = {each.name for each in columns.values()}
        table.attrs["notes"] += _notes_of_parts(table, set(table.columns) - used, data)
    paths = _paths_below(root, file, columns["path"])
    rows = pd.DataFrame({**columns, "image_id": columns["path"], "path": paths})
    # pandas does not pass on what the reader noted of the file.
    rows.attrs = table.attrs
    return rows


def _note_of_spellings(table: pd.DataFrame, column: str, key: str) -> tuple[str, ...]:
    """Return a line where other columns may be the same as one that a key names."""
    others = [name for name in table.columns if name != column and meaning(name) == meaning(column)]
    return (f"column {column} is read, not {', '.join(others)} (data.{key})",) if others else ()


def _notes_of_parts(table: pd.DataFrame, unused: set[str], data: SourceConfig) -> tuple[str, ...]:
    """Return a line per unused column that seems to say which images train and which are kept for a test."""
    notes = []
    for name in sorted(unused):
        counts = table[name][table[name] != ""].value_counts()
        if not 2 <= len(counts) <= _MOST_PARTS:
            continue
        if is_called(name, _PART_COLUMNS) or all(is_called(value, _PART_VALUES) for value in counts.index):
            shown = ", ".join(f"{value} {number:,}" for value, number in counts.items())
            notes.append(f"column {name} ({shown}) is not used: {_remedy_of_parts(name, list(counts.index), data)}")
    return tuple(notes)


def _remedy_of_parts(column: str, parts: list[str], data: SourceConfig) -> str:
    """Return the settings that keep the parts of a column."""
    if "part_column" not in type(data).model_fields:
        return f"the parts are drawn anew, data={data.source} has no key for it"
    settings = [f"data.part_column={column}"]
    for key, names in (("split.test", TEST_NAMES), ("split.given_validation", VALIDATION_NAMES)):
        settings += [f"{key}={part}" for part in parts if is_called(part, names)][:1]
    words = shlex.join(map(quote_text, settings))
    if not any(word.startswith("split.test=") for word in settings):
        return f"`{words} split.test=<one of them>` keeps a part for the test; folds are called fold_0, fold_1, ..."
    return f"`{words}` keeps the parts"


def _remedy_of_column(table: pd.DataFrame, key: str) -> str:
    of_classes = [name for name in table.columns if set(table[name]) <= _TRUTHS]
    if key == "label_column" and len(of_classes) > 1:
        return f"write one column with the class in place of {', '.join(of_classes)}, which say 0 and 1"
    return f"set data.{key}"


def _remedy_of_missing(path: str) -> str:
    """Return what a file that is missing is called, if only its case or suffix differs."""
    folder, name = os.path.split(path)
    for other in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:  # noqa: PTH112, PTH208 (as below)
        if name.casefold() in (other.casefold(), other.casefold().rpartition(".")[0]):
            return f"there is {other}: write the names of the files, with case and suffix"
    return "paths are relative to the table's folder"


def _paths_below(root: Path, file: Path, names: pd.Series) -> list[str]:
    rows: dict[str, object] = {}
    # With os.path: tens of thousands of Paths take as long as half of the other checks before a training.
    base = os.path.join(os.path.abspath(root), "")  # noqa: PTH100, PTH118 (Path.resolve would follow links)
    folder = os.path.abspath(file.parent)  # noqa: PTH100
    for row, name in names.items():
        path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
        if not (name.isascii() and "\\" not in name) and not os.path.exists(path):  # noqa: PTH110
            path = as_written_elsewhere(folder, name)
        if not name:
            problem = "the path is empty"
        elif path in rows:
            problem = f"{name} is in row {rows[path]} already: keep one of the two rows"
        elif not os.path.isfile(path):  # noqa: PTH113
            problem = f"no file {path} ({_remedy_of_missing(path)})"
        elif not path.startswith(base):
            problem = f"{path} lies outside {root}: set data_dir to a folder that holds all images"
        else:
            rows[path] = row
            continue
        raise UserError(f"{file}, row {row}: {problem}")
    paths = pd.Series(list(rows), dtype=object)
    return paths.str.removeprefix(base).str.replace(os.sep, "/").tolist()  # type: ignore[no-any-return]


def as_written_elsewhere(folder: str, name: str) -> str:
    """Return a path as this system has it: Windows writes backslashes, and macOS accents as letters of their own."""
    plain = name.replace("\\", "/")
    for written in (name, unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain)):
        path = os.path.normpath(os.path.join(folder, written))  # noqa: PTH118
        if os.path.exists(path):  # noqa: PTH110
            return path
    return os.path.normpath(os.path.join(folder, plain))  # noqa: PTH118
