"""Image files that are not part of a data set: in folders, in zip files or named individually."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from common.errors import UserError
from common.text import counted
from datamodules.io.archives import resolve_data_dir
from datamodules.io.decode import SUFFIXES
from datamodules.manifest.manifest import natural_key

HIDDEN = "hidden"


class ImageFile(NamedTuple):
    """A file that is an image by its suffix, or that was named individually."""

    path: Path  # of a zip file, where it was unpacked
    name: str  # unique: the path below the folder or zip file where one was named, else the path as named
    folders: tuple[str, ...]  # names of the folders that contain the file, from the named folder on


@dataclass(frozen=True)
class ImageFiles:
    """The contents of the named folders, zip files and files.

    Attributes:
        files: At least one image, in natural order within each place; folders that cannot be listed among them.
        others: Number of other files by suffix (".txt"), "hidden" or "without suffix", the most frequent first.
    """

    files: tuple[ImageFile, ...]
    others: dict[str, int]

    def labels(self, classes: Sequence[str]) -> list[str | None]:
        """Return for each image the class whose name the innermost such folder has; None without one.

        Raises:
            UserError: No image is in a folder with the name of a class.
        """
        labels: list[str | None] = []
        for file in self.files:
            matches = [name for name in file.folders if name in classes]
            labels.append(matches[-1] if matches else None)
        if not any(labels):
            raise UserError(f"--labels folders: no image is in a folder named {' or '.join(classes)}")
        return labels


def find_image_files(places: Sequence[Path], cache_dir: Path, progress: bool = True) -> ImageFiles:
    """Find the images in folders and zip files; every other named file counts as an image.

    Args:
        places: Folders, zip files and files; a file that is named twice counts once.
        cache_dir: The folder below which zip files are unpacked, once.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: A place is missing, a zip file is unsafe or damaged, or there is no image at all.
    """
    images: dict[Path, ImageFile] = {}
    others: dict[Path, str] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        root = Path(resolve_data_dir(str(place), cache_dir, progress) or place)
        if not root.is_dir():
            images.setdefault(
                _identity(root), ImageFile(root, printable(root.as_posix()), (root.absolute().parent.name,))
            )
            continue
        prefix = Path() if len(places) == 1 else place
        for path in _files_below(root):
            # The root may be an unpacked zip in a hidden cache: only folders below it count.
            below = path.relative_to(root)
            if kind := _other_kind(below):
                others[_identity(path)] = kind
            else:
                file = ImageFile(path, printable((prefix / below).as_posix()), (root.name, *below.parent.parts))
                images.setdefault(_identity(path), file)
    counts = dict(sorted(Counter(others.values()).items(), key=lambda item: (-item[1], item[0])))
    if not images:
        listing = f" ({describe_others(counts)})" if counts else ""
        raise UserError(f"no image in {', '.join(map(str, places))}{listing}: PNG, JPEG, TIFF and BMP files are read")
    return ImageFiles(tuple(images.values()), counts)


def describe_others(others: dict[str, int]) -> str:
    """Describe the numbers of other files: "3 other files: 2 .txt, 1 hidden"; "no other file" without any."""
    if not others:
        return "no other file"
    total = sum(others.values())
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.items())
    return f"{counted(total, 'other file')}: {kinds}"


def _identity(path: Path) -> Path:
    """Resolve the folders of a path, but not a link that is the file itself: the link may be broken."""
    return path.parent.resolve() / path.name


def printable(name: str) -> str:
    """Return a name of a file as text that any file can hold: bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _files_below(root: Path) -> list[Path]:
    """Every file below a folder in natural order, hidden ones too, and the folders that cannot be listed."""
    files: list[Path] = []
    visited: set[str] = set()
    walk = os.walk(root, followlinks=True, onerror=lambda error: files.append(Path(error.filename)))
    for place, folders, names in walk:
        folder = os.path.realpath(place)
        if folder in visited:  # a link may lead back to a folder above it
            folders.clear()
            continue
        visited.add(folder)
        files += [Path(place, name) for name in names]
    return sorted(files, key=lambda path: natural_key(path.as_posix()))


def _other_kind(below: Path) -> str | None:
    """The kind of a file that is not an image; None for images and for folders that cannot be listed."""
    if any(part.startswith(".") or part == "__MACOSX" for part in below.parts):
        return HIDDEN
    suffix = below.suffix.lower()
    if suffix in SUFFIXES:
        return None
    return suffix or "without suffix"
