"""What the sources share: folders, image files and tables, always in the same order, and images written once."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import filterfalse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from common.config.data import SourceConfig
from common.config.rules import DATA_DIR_HINT
from common.errors import UserError
from datamodules.io.decode import SUFFIXES
from datamodules.io.progress import threaded
from datamodules.io.tables import read_text_table
from datamodules.io.whole_folder import make_once, whole_folder
from datamodules.manifest.manifest import DRAWN, absent_from, natural_key


def require_data_dir(data_dir: str | None) -> Path:
    """Return the data folder as a path; a zip file has become a folder before (`archives.resolve_data_dir`).

    Raises:
        UserError: None is named, or the one named is missing, no folder, or empty.
    """
    if data_dir is None:
        raise UserError(f"no data folder is named: {DATA_DIR_HINT}")
    root = Path(data_dir).expanduser()
    if not root.exists():
        problem = "missing"
    elif not root.is_dir():
        problem = "no folder and no zip"
    elif not any(root.iterdir()):
        problem = "empty"
    else:
        return root
    raise UserError(f"data folder {root} is {problem}: {DATA_DIR_HINT}")


def image_files(folder: Path) -> list[Path]:
    """Return the image files in ``folder`` and below it, in natural order; hidden files and folders are passed over."""
    files = []
    for path in _walk(folder):
        if is_image(path.name):
            files.append(path)
            if re.search("[\udc80-\udcff]", str(path)):  # how Python writes bytes that are not UTF-8
                raise UserError(f"{path}: the name is not UTF-8: rename it")
    return sorted(files, key=lambda path: natural_key(path.as_posix()))


def other_files(folder: Path) -> list[str]:
    """Return the suffix of each file in ``folder`` and below it that is no image and not hidden."""
    kinds = (path.suffix.lower() or "without suffix" for path in _walk(folder))
    return absent_from(SUFFIXES, kinds)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below it that are not hidden."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = filterfalse(is_hidden, folders)
        for name in filterfalse(is_hidden, names):
            yield Path(place, name)


def is_image(name: str) -> bool:
    """Tell by the file's name whether it is an image, and not one of the files that systems leave ("._a.png")."""
    return not is_hidden(name) and Path(name).suffix.lower() in SUFFIXES


def sub_folders(folder: Path) -> list[Path]:
    """Return the folders directly in ``folder``, in natural order, without hidden ones."""
    folders = [entry for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name)]
    return sorted(folders, key=lambda path: natural_key(path.name))


def name_parser(expression: str | None, key: str, what: str) -> Callable[[Path], str | None]:
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

    def parse(path: Path) -> str | None:
        match = pattern.search(path.name)
        text = match and match.group(pattern.groupindex.get(what, 1))
        if expression is not None and not text:
            raise UserError(f"{path}: no {what} found by {key}={expression}: fix the regular expression")
        return text or None

    return parse


def name_groups(path: Path, expression: str, key: str) -> dict[str, str]:
    """Return the named groups of a regular expression, the value of ``key``, which begins a file's name.

    Raises:
        UserError: The name does not match.
    """
    match = re.match(expression, path.name)
    if match is None:
        raise UserError(f"{path}: the name does not match {key}={expression}: rename the file, or move it away")
    return match.groupdict()


def hint_at_archives(root: Path) -> str:
    """Return what to do with the archives that a folder holds, in brackets; an empty text where there are none."""
    archives = sorted(entry.name for entry in root.iterdir() if entry.suffix.lower() in (".zip", ".gz", ".tar"))
    zips = [name for name in archives if name.lower().endswith(".zip")]
    if zips:
        return f" (data_dir may be a zip itself: data_dir={root / zips[0]}{' ...' * (len(zips) > 1)})"
    if archives:
        return f" (unpack {', '.join(archives[:3])}{' ...' * (len(archives) > 3)} first)"
    return ""


def read_table(file: Path, root: Path, data: SourceConfig, optional: str | None = None) -> pd.DataFrame:
    """Read a CSV file with a row per image.

    Args:
        file: The table.
        root: The data folder.
        data: Settings whose keys ``<role>_column`` name columns, or are None.
        optional: The name of a column that may be missing.

    Returns:
        ``image_id`` (the path as the table writes it), ``path`` (below ``root``) and a column of text for each role
        that has one, empty where unknown. The index counts rows as a spreadsheet does: the header is row 1.

    Raises:
        UserError: The file cannot be read, has no rows or lacks a column; or a path is empty, given twice, missing on
            disk or outside ``root``.
    """
    table = read_text_table(file)
    columns = {}
    for key, column in data.model_dump().items():
        if not key.endswith("_column") or column is None:
            continue
        if column in table.columns:
            columns[key.removesuffix("_column")] = table[column]
        elif column != optional:
            raise UserError(f"{file} has no column {column}: set data.{key} to one of {', '.join(table.columns)}")
    paths = _paths_below(root, file, columns["path"])
    return pd.DataFrame({**columns, "image_id": columns["path"], "path": paths})


def _paths_below(root: Path, file: Path, names: pd.Series) -> list[str]:
    rows: dict[str, object] = {}
    # With os.path: tens of thousands of Paths take as long as half of the other checks before a training.
    base = os.path.join(os.path.abspath(root), "")  # noqa: PTH100, PTH118 (Path.resolve would follow links)
    folder = os.path.abspath(file.parent)  # noqa: PTH100
    listed = _Files()
    for row, name in names.items():
        path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
        if not name:
            problem = "the path is empty"
        elif path in rows:
            problem = f"{name} is in row {rows[path]} already: keep one of the two rows"
        elif not listed.has(path):
            problem = f"no file {path} (paths are relative to the table's folder)"
        elif not path.startswith(base):
            problem = f"{path} lies outside {root}: set data_dir to a folder that holds all images"
        else:
            rows[path] = row
            continue
        raise UserError(f"{file}, row {row}: {problem}")
    return [path.removeprefix(base).replace(os.sep, "/") for path in rows]


class _Files:
    """The files of folders, each of which is listed once: faster than to ask for each file."""

    def __init__(self) -> None:
        self._folders: dict[str, set[str]] = {}

    def has(self, path: str) -> bool:
        """Whether a path is a file."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = set()
            with suppress(OSError), os.scandir(folder) as entries:
                self._folders[folder] = {entry.name for entry in entries if entry.is_file()}
        return name in self._folders[folder] or os.path.isfile(path)  # noqa: PTH113 (a file system may ignore case)


def write_once(folder: Path, paths: Sequence[str], draw: Callable[[int], np.ndarray], progress: bool) -> None:
    """Write images as PNG (lossless) into ``folder``, unless all are there; under a lock, whole or not at all.

    Args:
        folder: The folder to make; its name must change with its content.
        paths: Where each image goes below it, POSIX, ending in ".png".
        draw: Returns an image by its number: a uint8 array of shape (H, W) or, as RGB, (H, W, 3).
        progress: Whether a progress bar may be shown.
    """

    def is_whole(folder: Path) -> bool:
        return all(os.path.isfile(f"{folder}/{path}") for path in paths)  # noqa: PTH113 (as above)

    def write_all(folder: Path) -> None:
        with whole_folder(folder) as beside:
            for parent in {Path(path).parent for path in paths}:
                (beside / parent).mkdir(parents=True)

            def write(number: int) -> None:
                image = draw(number)
                if image.ndim == 3:
                    image = image[..., ::-1]  # OpenCV keeps blue first
                if not cv2.imwrite(f"{beside}/{paths[number]}", image):
                    raise OSError(f"cannot write {folder / paths[number]}")

            for _ in threaded(write, range(len(paths)), len(paths), f"writing {len(paths):,} images as PNG", progress):
                pass

    make_once(folder, write_all, is_whole)


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is one that systems leave."""
    return name.startswith(".") or name == "__MACOSX"


def is_drawn(root: Path, paths: Iterable[str]) -> bool:
    """Tell whether the mark of drawn images is in a data set's folder, or in a folder of one of its images below it."""
    folders = {Path()}
    for folder in {Path(path).parent for path in paths}:
        folders |= {folder, *folder.parents}
    return any((root / folder / DRAWN).is_file() for folder in folders)
