"""Image files that are not part of a data set: in folders, in zip files or named individually."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from datamodules.io.archives import resolve_data_dir
from datamodules.io.decode import UNREAD_SUFFIXES
from datamodules.io.folder_content import describe_others, scan_folder
from karyocyte.common.errors import UserError
from karyocyte.common.text import natural_key


class ImageFile(NamedTuple):
    """A file that is an image by its suffix, or that was named individually."""

    path: Path  # of a zip file, where it was unpacked
    name: str  # unique: the path below the folder or zip file where one was named, else the path as named
    folders: tuple[str, ...]  # names of the folders that contain the file, from the named folder on
    pixels: np.ndarray | None = None  # of an image in memory, uint8 (H, W) or RGB (H, W, 3): there is no file then


@dataclass(frozen=True)
class ImageFiles:
    """The contents of the named folders, zip files and files."""

    # at least one image, in natural order within each folder; folders that cannot be listed and images of formats that
    # cannot be read among them
    files: Sequence[ImageFile]
    others: dict[str, int]  # number of other files by kind, see `FolderContent`


def find_image_files(
    places: Sequence[Path], cache_dir: Path, progress: bool = True, follow_links: bool = False
) -> ImageFiles:
    """Find the images in folders and zip files; every other named file counts as an image.

    Args:
        places: Folders, zip files and files; a file that is named twice counts once.
        cache_dir: The folder below which zip files are unpacked, once.
        progress: Whether a progress bar may be shown.
        follow_links: Whether links that lead out of a folder are followed.

    Raises:
        UserError: A place is missing, a zip file is unsafe or damaged, or there is no image at all.
    """
    files: dict[str, ImageFile] = {}
    others: Counter[str] = Counter()
    for place in places:
        if not place.exists():
            raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        root = Path(resolve_data_dir(str(place), cache_dir, progress) or place)
        if not root.is_dir():
            single = ImageFile(root, printable(root.as_posix()), (root.absolute().parent.name,))
            files.setdefault(_identity(root), single)
            continue
        # Two folders may have files of one name: the places tell them apart.
        prefix = PurePosixPath(place.as_posix() if len(places) > 1 else "")
        content = scan_folder(root, follow_links)
        for below in sorted([*content.images, *content.unlisted], key=natural_key):
            folders = (root.name, *PurePosixPath(below).parent.parts)
            file = ImageFile(root / below, printable((prefix / below).as_posix()), folders)
            files.setdefault(_identity(file.path), file)
        others += content.others
    unread = Counter(file.path.suffix.lower() for file in files.values())
    if unread.keys() <= UNREAD_SUFFIXES:
        raise UserError(
            f"no image in {', '.join(map(str, places))} ({describe_others(others + unread)}): PNG, JPEG, TIFF, BMP "
            "and WebP files are read"
        )
    return ImageFiles(list(files.values()), dict(others))


def _identity(path: Path) -> str:
    """Where a file lies, whatever links lead to it; one that is a link itself is not resolved: it may be broken."""
    return f"{os.path.realpath(path.parent)}/{path.name}"


def printable(name: str) -> str:
    """Return a name of a file as text that any file can hold: bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
