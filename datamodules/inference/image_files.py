"""Image files that are not part of a data set: in folders, in zip files or named individually."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from common.errors import UserError
from common.text import counted
from datamodules.io.archives import resolve_data_dir
from datamodules.io.decode import SUFFIXES
from datamodules.manifest.manifest import natural_key

HIDDEN = "hidden"
UNLISTED = "/."  # what the path of a folder that cannot be listed ends with, during the search


class ImageFile(NamedTuple):
    """A file that is an image by its suffix, or that was named individually."""

    path: Path  # of a zip file, where it was unpacked
    name: str  # unique: the path below the folder or zip file where one was named, else the path as named
    folders: tuple[str, ...]  # names of the folders that contain the file, from the named folder on

    def label(self, classes: Sequence[str]) -> str | None:
        """Return the class whose name the innermost such folder has; None without one."""
        matches = [name for name in self.folders if name in classes]
        return matches[-1] if matches else None


@dataclass(frozen=True)
class _Place:
    """What was named: a folder, or a single file.

    Attributes:
        root: The folder, of a zip file where it was unpacked; or the file.
        prefix: What the names of the files below the folder begin with.
        is_folder: Whether it is one.
    """

    root: Path
    prefix: PurePosixPath
    is_folder: bool

    def file(self, below: str) -> ImageFile:
        """Return the file with a path below the folder."""
        if not self.is_folder:
            return ImageFile(self.root, printable(self.root.as_posix()), (self.root.absolute().parent.name,))
        path = self.root / below
        folders = (self.root.name, *PurePosixPath(below).parent.parts)
        return ImageFile(path, printable((self.prefix / below).as_posix()), folders)


@dataclass(frozen=True)
class ImageFiles:
    """The contents of the named folders, zip files and files.

    Attributes:
        files: At least one image, in natural order within each folder; folders that cannot be listed among them.
        others: Number of other files by suffix (".txt"), "hidden" or "without suffix", the most frequent first.
    """

    files: Sequence[ImageFile]
    others: dict[str, int]

    def check_labels(self, classes: Sequence[str]) -> None:
        """Raise a ``UserError`` where no image is in a folder with the name of a class."""
        if not any(file.label(classes) for file in self.files):
            raise UserError(f"labels=folders: no image is in a folder named {' or '.join(classes)}")


def find_image_files(places: Sequence[Path], cache_dir: Path, progress: bool = True) -> ImageFiles:
    """Find the images in folders and zip files; every other named file counts as an image.

    Args:
        places: Folders, zip files and files; a file that is named twice counts once.
        cache_dir: The folder below which zip files are unpacked, once.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: A place is missing, a zip file is unsafe or damaged, or there is no image at all.
    """
    search = _Search()
    files: list[ImageFile] = []
    for place in places:
        if not place.exists():
            raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        root = Path(resolve_data_dir(str(place), cache_dir, progress) or place)
        prefix = PurePosixPath() if len(places) == 1 else PurePosixPath(place.as_posix())
        is_folder = root.is_dir()
        names = search.images_below(root) if is_folder else search.single_file(root)
        files += map(_Place(root, prefix, is_folder).file, names)
    others = dict(sorted(search.others.items(), key=lambda item: (-item[1], item[0])))
    if not files:
        listing = f" ({describe_others(others)})" if others else ""
        raise UserError(f"no image in {', '.join(map(str, places))}{listing}: PNG, JPEG, TIFF and BMP files are read")
    return ImageFiles(files, others)


def describe_others(others: dict[str, int]) -> str:
    """Describe the numbers of other files: "3 other files: 2 .txt, 1 hidden"; "no other file" without any."""
    if not others:
        return "no other file"
    total = sum(others.values())
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.items())
    return f"{counted(total, 'other file')}: {kinds}"


def printable(name: str) -> str:
    """Return a name of a file as text that any file can hold: bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Search:
    """Finds each image once, whatever folders and links lead to it.

    Attributes:
        others: Number of other files by kind.
    """

    def __init__(self) -> None:
        self.others: Counter[str] = Counter()
        self._folders: dict[str, str] = {}  # those listed: real path -> path below the named one
        self._single: set[str] = set()  # files that were named, their folders as real paths

    def single_file(self, file: Path) -> Iterator[str]:
        """Yield "" unless the file was found before."""
        # A link that is the file itself is not resolved: it may be broken.
        folder = os.path.realpath(file.parent)
        place = f"{folder}/{file.name}"
        listed = folder in self._folders and _other_kind(PurePosixPath(self._folders[folder], file.name)) is None
        if not listed and place not in self._single:
            self._single.add(place)
            yield ""

    def images_below(self, root: Path) -> Iterator[str]:
        """Yield the paths of images, and of folders that cannot be listed, relative to the root in natural order."""
        pending = [self._listed(root, "")]
        while pending:
            below = next(pending[-1], None)
            if below is None:
                pending.pop()
            elif below.endswith("/"):
                pending.append(self._listed(root, below))
            else:
                kind = _other_kind(PurePosixPath(below))
                if kind is None or (kind != HIDDEN and below.endswith(UNLISTED)):
                    yield below.removesuffix(UNLISTED)
                else:
                    self.others[kind] += 1

    def _listed(self, root: Path, below: str) -> Iterator[str]:
        """Yield what a folder holds, in natural order; folders end with a slash."""
        place = root / below
        folder = os.path.realpath(place)
        if folder in self._folders:  # a link may lead back to a folder above it
            return
        self._folders[folder] = below
        try:
            with os.scandir(place) as entries:
                names = [f"{entry.name}/" if _is_folder(entry) else entry.name for entry in entries]
        except OSError:
            yield below + UNLISTED
            return
        names.sort(key=natural_key)
        for name in names:
            if not self._single or f"{folder}/{name}" not in self._single:
                yield below + name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _other_kind(below: PurePosixPath) -> str | None:
    """The kind of a file that is not an image; None for images."""
    if any(part.startswith(".") or part == "__MACOSX" for part in below.parts):
        return HIDDEN
    suffix = below.suffix.lower()
    if suffix in SUFFIXES:
        return None
    return suffix or "without suffix"
