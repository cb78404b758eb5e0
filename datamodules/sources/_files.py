"""What the sources share: finding folders and image files, always in the same order."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from common.config.rules import DATA_DIR_HINT
from common.errors import UserError
from datamodules.io.decode import SUFFIXES
from datamodules.manifest.manifest import natural_key


def require_data_dir(data_dir: str | None) -> Path:
    """Return the data folder as a path; a zip file has become a folder before (`archives.resolve_data_dir`).

    Raises:
        UserError: None is named, or the one named is missing, no folder, or empty.
    """
    if data_dir is None:
        raise UserError(f"no data folder is named: {DATA_DIR_HINT}")
    root = Path(data_dir).expanduser()
    if not root.is_dir():
        raise UserError(
            f"data folder {root} is {'no folder and no zip' if root.exists() else 'missing'}: {DATA_DIR_HINT}"
        )
    if not any(root.iterdir()):
        raise UserError(f"data folder {root} is empty: {DATA_DIR_HINT}")
    return root


def image_files(folder: Path) -> list[Path]:
    """Return the image files in ``folder`` and below it, in natural order; hidden files and folders are passed over."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        found += [Path(place, name) for name in names if is_image(name)]
    return sorted(found, key=lambda path: natural_key(path.as_posix()))


def is_image(name: str) -> bool:
    """Tell by the file's name whether it is an image, and not one of the files that systems leave ("._a.png")."""
    return not _is_hidden(name) and Path(name).suffix.lower() in SUFFIXES


def sub_folders(folder: Path) -> list[Path]:
    """Return the folders directly in ``folder``, in natural order, without hidden ones."""
    found = [entry for entry in folder.iterdir() if entry.is_dir() and not _is_hidden(entry.name)]
    return sorted(found, key=lambda path: natural_key(path.name))


def compile_group(expression: str | None, key: str, what: str) -> re.Pattern[str] | None:
    """Return the regular expression that finds something in a file's name; None where there is none.

    Args:
        expression: As the user wrote it.
        key: The key that it is the value of, e.g. "data.subject_regex".
        what: What it finds: the name of its group.

    Raises:
        UserError: It is no regular expression, or has no group.
    """
    if expression is None:
        return None
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UserError(f"{key}={expression} is no regular expression: {error}") from error
    if pattern.groups == 0:
        raise UserError(f"{key}={expression} has no group: put the {what}'s part in (?P<{what}>...)")
    return pattern


def group_in_name(path: Path, pattern: re.Pattern[str], key: str, what: str) -> str:
    """Return what the group called ``what``, or else the first group, finds in the file's name.

    Raises:
        UserError: It finds nothing there.
    """
    match = pattern.search(path.name)
    found = match and match.group(what if what in pattern.groupindex else 1)
    if not found:
        raise UserError(f"{path}: no {what} found by {key}={pattern.pattern}: mend the expression")
    return found


def find_folders(root: Path, name: str, depth: int) -> list[Path]:
    """Return the folders called ``name`` at most ``depth`` levels below ``root``, ``root`` itself included."""
    return [folder for folder in _folders(root, depth) if folder.name == name]


def hint_at_archives(root: Path) -> str:
    """Return what to do with the archives that a folder holds, in brackets; an empty text where there are none."""
    archives = sorted(entry.name for entry in root.iterdir() if entry.suffix.lower() in (".zip", ".gz", ".tar"))
    zips = [name for name in archives if name.lower().endswith(".zip")]
    if zips:
        return f" (data_dir may be a zip itself: data_dir={root / zips[0]}{' ...' * (len(zips) > 1)})"
    if archives:
        return f" (unpack {', '.join(archives[:3])}{' ...' * (len(archives) > 3)} first)"
    return ""


def lone_folder(root: Path) -> Path | None:
    """Return the folder that everything in ``root`` lies in; None where there is more than that, or less."""
    entries = [entry for entry in root.iterdir() if not _is_hidden(entry.name)]
    if len(entries) == 1 and entries[0].is_dir():
        return entries[0]
    return None


def _folders(root: Path, depth: int) -> Iterator[Path]:
    yield root
    if depth > 0:
        for folder in sub_folders(root):
            yield from _folders(folder, depth - 1)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
