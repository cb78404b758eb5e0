"""Image files that nobody prepared: in folders, in zip files or named one by one; each of their files is counted."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from datamodules.io.archives import resolve_data_dir
from datamodules.manifest.manifest import natural_key
from datamodules.sources._files import is_image

HIDDEN = "hidden"
NO_SUFFIX = "without suffix"


@dataclass(frozen=True)
class GivenFile:
    """A file that is taken for an image by its suffix, or because it was named itself.

    Attributes:
        path: Where it lies.
        name: What it is called, unique: its path below the one folder or zip that was named, else as it was named.
        folders: The names of the folders that it lies in, from the folder that was named on.
    """

    path: Path
    name: str
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """What was named.

    Attributes:
        files: The images, at least one, in natural order within each place; folders that cannot be listed among them.
        others: How many files there are besides, by suffix (".txt"), HIDDEN or NO_SUFFIX, the most frequent first.
    """

    files: tuple[GivenFile, ...]
    others: dict[str, int]

    def labels(self, classes: Sequence[str]) -> list[str | None]:
        """Return the class that each image lies in the folder of (the innermost, if several); None where in none.

        Raises:
            UserError: No image lies in a folder that is called like a class.
        """
        found = [next((name for name in reversed(file.folders) if name in classes), None) for file in self.files]
        if not any(found):
            raise UserError(f"--labels folders: no image lies in a folder called {' or '.join(classes)}")
        return found


def find_given(places: Sequence[Path], cache_dir: Path, progress: bool = True) -> Given:
    """Find the images in folders and zip files, and take every other file that is named for an image.

    Args:
        places: Folders, zip files and files; what is named twice counts once.
        cache_dir: Zip files are unpacked below it, once.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: A place is missing, a zip file is not safe or damaged, or there is no image at all.
    """
    found: dict[Path, GivenFile] = {}
    others: dict[Path, str] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"{place} is missing: name a folder, a zip or files of images")
        root = Path(resolve_data_dir(str(place), cache_dir, progress) or place)
        if len(places) == 1:
            prefix = ""
        else:
            prefix = place.as_posix()
        for file in _files(root, prefix) if root.is_dir() else [_named(place)]:
            # The root may be an unpacked zip: hidden is what is hidden below it.
            if root.is_dir():
                kind = _kind(file.path.relative_to(root))
            else:
                kind = None
            place_of_file = file.path.parent.resolve() / file.path.name
            if kind is None:
                found.setdefault(place_of_file, file)
            else:
                others[place_of_file] = kind
    counts = dict(sorted(Counter(others.values()).items(), key=lambda item: (-item[1], item[0])))
    if not found:
        if counts:
            there = f" ({count_others(counts)})"
        else:
            there = ""
        raise UserError(f"no image in {', '.join(map(str, places))}{there}: PNG, JPEG, TIFF and BMP files are read")
    return Given(tuple(found.values()), counts)


def count_others(others: dict[str, int]) -> str:
    """Say how many files of other kinds there are: "3 other files: 2 .txt, 1 hidden"."""
    total = sum(others.values())
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.items())
    return f"{total:,} other file{'s' * (total != 1)}: {kinds}"


def printable(path: Path) -> str:
    """Return a path as text that any file can hold: bytes that are no UTF-8 are written out."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _named(place: Path) -> GivenFile:
    return GivenFile(place, printable(place), (place.absolute().parent.name,))


def _files(root: Path, prefix: str) -> list[GivenFile]:
    """Every file below a folder, hidden ones too, and folders that cannot be listed, in natural order."""
    paths = sorted(_walk(root), key=lambda path: natural_key(path.as_posix()))
    below = [path.relative_to(root) for path in paths]
    return [
        GivenFile(path, printable(Path(prefix) / inner), (root.name, *inner.parent.parts))
        for path, inner in zip(paths, below, strict=True)
    ]


def _walk(root: Path) -> Iterator[Path]:
    seen: set[str] = set()
    closed: list[Path] = []
    for place, folders, names in os.walk(root, followlinks=True, onerror=lambda e: closed.append(Path(e.filename))):
        # A link may lead back to a folder above it.
        here = os.path.realpath(place)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        yield from (Path(place, name) for name in names)
    yield from closed


def _kind(below: Path) -> str | None:
    """What kind of other file it is; None for an image, and for a folder that cannot be listed."""
    if any(part.startswith(".") or part == "__MACOSX" for part in below.parts):
        return HIDDEN
    if is_image(below.name):
        return None
    return below.suffix.lower() or NO_SUFFIX
