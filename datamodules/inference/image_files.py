"""Image files that are not part of a data set: in folders, in zip files or named individually."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from datamodules.io.archives import resolve_data_dir
from datamodules.io.decode import SUFFIXES, UNREAD_SUFFIXES
from datamodules.manifest.manifest import natural_key
from karyocyte.common.errors import UserError
from karyocyte.common.text import counted

HIDDEN = "hidden"


class ImageFile(NamedTuple):
    """A file that is an image by its suffix, or that was named individually."""

    path: Path  # of a zip file, where it was unpacked
    name: str  # unique: the path below the folder or zip file where one was named, else the path as named
    folders: tuple[str, ...]  # names of the folders that contain the file, from the named folder on


@dataclass(frozen=True)
class ImageFiles:
    """The contents of the named folders, zip files and files."""

    # at least one image, in natural order within each folder; folders that cannot be listed and images of formats that
    # cannot be read among them
    files: Sequence[ImageFile]
    # number of other files by suffix (".txt"), "hidden" or "without suffix", the most frequent first
    others: dict[str, int]


def find_image_files(places: Sequence[Path], cache_dir: Path, progress: bool = True) -> ImageFiles:
    """Find the images in folders and zip files; every other named file counts as an image.

    Args:
        places: Folders, zip files and files; a file that is named twice counts once.
        cache_dir: The folder below which zip files are unpacked, once.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: A place is missing, a zip file is unsafe or damaged, or there is no image at all.
    """
    files: dict[str, ImageFile] = {}
    kinds: dict[str, str] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        root = Path(resolve_data_dir(str(place), cache_dir, progress) or place)
        if not root.is_dir():
            single = ImageFile(root, printable(root.as_posix()), (root.absolute().parent.name,))
            files.setdefault(_identity(root), single)
            continue
        prefix = PurePosixPath()
        if len(places) > 1:
            prefix = PurePosixPath(place.as_posix())
        for below in _names_below(root):
            path = root / below
            kind = _other_kind(below)
            if kind is None or (kind != HIDDEN and path.is_dir()):
                file = ImageFile(path, printable((prefix / below).as_posix()), (root.name, *below.parent.parts))
                files.setdefault(_identity(path), file)
            else:
                kinds[_identity(path)] = kind
    counts = Counter(kinds[identity] for identity in kinds.keys() - files.keys())
    others = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    unread = Counter(file.path.suffix.lower() for file in files.values())
    if unread.keys() <= UNREAD_SUFFIXES:
        raise UserError(
            f"no image in {', '.join(map(str, places))} ({describe_others(others | unread)}): PNG, JPEG, TIFF, BMP, "
            "GIF, WebP and JPEG 2000 files are read"
        )
    return ImageFiles(list(files.values()), others)


def _identity(path: Path) -> str:
    """Where a file lies, whatever links lead to it; one that is a link itself is not resolved: it may be broken."""
    return f"{os.path.realpath(path.parent)}/{path.name}"


def _names_below(root: Path) -> list[PurePosixPath]:
    """Return the files below a folder, and the folders that cannot be listed, relative to it in natural order."""
    names: list[str] = []
    listed: set[str] = set()

    def note_unlisted(error: OSError) -> None:
        """Keep the name of a folder that cannot be listed."""
        names.append(os.path.relpath(error.filename, root))

    for folder, folders, files in os.walk(root, onerror=note_unlisted, followlinks=True):
        real = os.path.realpath(folder)
        if real in listed:  # a link may lead back to a folder above it
            folders.clear()
            continue
        listed.add(real)
        below = os.path.relpath(folder, root)
        names += [os.path.normpath(f"{below}/{name}") for name in files]
    return list(map(PurePosixPath, sorted(names, key=natural_key)))


def describe_others(others: dict[str, int]) -> str:
    """Describe the numbers of other files: "3 other files, not images: 2 .txt, 1 hidden"; "no other file"."""
    if not others:
        return "no other file"
    total = sum(others.values())
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in others.items())
    return f"{counted(total, 'other file')}, not {'an image' if total == 1 else 'images'}: {kinds}"


def printable(name: str) -> str:
    """Return a name of a file as text that any file can hold: bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _other_kind(below: PurePosixPath) -> str | None:
    """The kind of a file that is not an image by its name; None for images, also of formats that cannot be read."""
    for part in below.parts:
        if part.startswith(".") or part == "__MACOSX":
            return HIDDEN
    if below.suffix.lower() in SUFFIXES | UNREAD_SUFFIXES:
        return None
    return below.suffix.lower() or "without suffix"
