"""What lies below a folder: which files are images, decided once for training, prediction and karyotyping."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.io.decode import JPEG_START, PNG_START, SUFFIXES, TIFF_STARTS, UNREAD_SUFFIXES
from karyocyte.common.files import MARK
from karyocyte.common.text import counted, natural_key
from karyocyte.runs.files import RunFile

IMAGE = "image"
HIDDEN = "hidden"
LINK = "link out of the folder"
NAMELESS = "without suffix"
OWN = "folder of Karyocyte's own"
_OWN_FILES = {MARK, RunFile.IDENTITY}  # the second lies in runs of versions that set no mark
# Folders and files that systems, file servers, browsers and editors leave beside those of their users.
_SYSTEM = re.compile(
    r"\..*|~\$.*|.*~|__MACOSX|@eaDir|@tmp|@Recycle|@Recently-Snapshot|#recycle|[#~]snapshot|lost\+found|FOUND\.\d{3}|"
    r"\$RECYCLE\.BIN|RECYCLER|System Volume Information|Network Trash Folder|Temporary Items|_vti_cnf|_?thumb(nail)?s?|"
    r"Thumbs\.db|ehthumbs.*\.db|desktop\.ini|.*\.(bak|crdownload|part|tmp)",
    re.IGNORECASE,
)


@dataclass
class FolderContent:
    """The files below a folder."""

    images: list[str] = field(default_factory=list)  # below the folder, POSIX, in natural order
    files: list[str] = field(default_factory=list)  # neither images nor hidden, below the folder
    # The number of other files by kind: a suffix (".txt"), HIDDEN, LINK or NAMELESS.
    others: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)  # out of the folder, not followed
    unlisted: list[str] = field(default_factory=list)  # folders that cannot be listed

    def add(self, name: str, kind: str) -> None:
        """Add a file, or what is not followed, by its name below the folder."""
        if kind == IMAGE:
            self.images.append(name)
            return
        self.others[kind] += 1
        if kind == LINK:
            self.links.append(name)
        if kind.startswith((".", NAMELESS)):
            self.files.append(name)


def scan_folder(root: Path, follow_links: bool = False) -> FolderContent:
    """List the files in ``root`` and below it.

    An image is a file with the suffix of an image format, also of one that cannot be read, and every other file whose
    first bytes are those of a format that can be read (``.jfif``, no suffix). What systems leave, such as ``@eaDir``
    and files that begin with a dot, is hidden; folders that Karyocyte made are passed over and counted. Links that lead
    out of ``root`` are followed only with ``follow_links``, and a folder that a link leads back to is listed once.
    """
    content = FolderContent()
    real_root = os.path.realpath(root)
    followed = {real_root}
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(root / below) as entries:
                found = list(entries)
        except OSError:
            content.unlisted.append(below)
            continue
        if below and not _OWN_FILES.isdisjoint(entry.name for entry in found):
            content.others[OWN] += 1
            continue
        for entry in found:
            name = f"{below}/{entry.name}" if below else entry.name
            kind = _kind_of_entry(entry, real_root, followed, follow_links)
            if kind is None:
                waiting.append(name)
            else:
                content.add(name, kind)
    content.images.sort(key=natural_key)
    return content


def _kind_of_entry(entry: os.DirEntry[str], real_root: str, followed: set[str], follow_links: bool) -> str | None:
    """Return what an entry is, None where it is a folder to be listed."""
    if is_system(entry.name):
        return "hidden folder" if entry.is_dir() else HIDDEN
    # Before is_dir, which would follow a link: it may lead out of the data folder, or in a circle.
    if entry.is_symlink():
        return _kind_of_link(entry, real_root, followed, follow_links)
    return None if entry.is_dir() else _kind_of_file(entry.path)


def _kind_of_link(entry: os.DirEntry[str], root: str, followed: set[str], follow_links: bool) -> str | None:
    """The kind of a link, as `_kind_of_file`; None of a folder that is to be listed."""
    real = os.path.realpath(entry.path)
    is_below = f"{real}/".startswith(f"{root}/")
    if not is_below and not follow_links:
        return LINK
    if not os.path.isdir(real):  # noqa: PTH112 (DirEntry.is_dir raises where links lead in a circle)
        return _kind_of_file(entry.path)
    if is_below or real in followed:
        return "link to a folder that is listed"
    followed.add(real)
    return None


def _kind_of_file(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 (a Path takes ten times as long)
    if suffix in SUFFIXES or suffix in UNREAD_SUFFIXES or starts_as_image(path):
        return IMAGE
    return suffix or NAMELESS


def starts_as_image(path: str | Path) -> bool:
    """Tell whether the first bytes of a file are those of an image format that can be read."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 (opening a pipe would wait forever)
            return False
        with open(path, "rb") as file:
            start = file.read(26)
    except OSError:
        return False
    if start.startswith(b"BM"):  # two letters are no proof: the size of the header of the picture follows
        return int.from_bytes(start[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)
    if start.startswith((PNG_START, JPEG_START, *TIFF_STARTS)):
        return True
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def is_own(folder: str | Path) -> bool:
    """Tell whether Karyocyte made a folder, as that of its runs, predictions or cached images."""
    return any(os.path.exists(f"{folder}/{name}") for name in _OWN_FILES)  # noqa: PTH110


def is_system(name: str) -> bool:
    """Tell whether a file or folder is one that systems leave, by its name."""
    return _SYSTEM.fullmatch(name) is not None


def describe_others(others: dict[str, int]) -> str:
    """Describe the numbers of other files: "3 other files, not images: 2 .txt, 1 hidden"; "no other file"."""
    if not others:
        return "no other file"
    total = sum(others.values())
    ordered = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in ordered)
    remedy = "; follow_links=true follows links" if others.get(LINK) else ""
    return f"{counted(total, 'other file')}, not {'an image' if total == 1 else 'images'}: {kinds}{remedy}"
