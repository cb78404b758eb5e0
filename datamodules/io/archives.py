"""Unpacks a zip file that may be damaged or hostile: it is checked before, and its folder is whole or absent."""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from datamodules.io.folder_content import is_system
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import UNPACKED, check_disk_space, make_once, whole_folder
from karyocyte.common.errors import UserError, first_line
from karyocyte.common.files import sha256_of_value

# How much an archive may unpack to; real image sets stay below 20 times their packed size, a few blank images do not.
LARGEST = 64 << 30  # bytes of all members together
LARGEST_RATIO = 100
SMALL = 64 << 20  # bytes up to which the ratio does not matter
_ENCRYPTED = 0x1  # flag bit
_BY_HAND = "unpack it by hand, and name the folder"
# What zipfile and the decoders raise on damaged bytes.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)


def resolve_data_dir(data_dir: str, cache_dir: Path, progress: bool = True) -> str:
    """Return ``data_dir``, or, where it is a zip file, the folder that it is unpacked to.

    The folder is ``<cache_dir>/unpacked/<the zip's stem>-<hash of path, size and times>``; it is made once, and again
    where a file of it is missing or cut.

    Raises:
        UserError: The archive is damaged, encrypted, or not safe to unpack, or the disk is too full.
    """
    archive = Path(data_dir).expanduser()
    if not is_zip(archive):
        return data_dir
    status = archive.stat()
    stamp = [str(archive.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    folder = Path(cache_dir) / UNPACKED / f"{archive.stem}-{sha256_of_value(stamp)[:8]}"
    make_once(folder, lambda place: unpack(archive, place, progress), lambda place: _is_unpacked(archive, place))
    return str(folder)


def is_zip(path: Path) -> bool:
    """Tell whether a path is a zip file, by its name or its content."""
    return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))


def unpack(archive: Path, folder: Path, progress: bool = True) -> None:
    """Unpack a zip file into a new folder, whole or not at all.

    Names, kinds, sizes and encryption of all members are checked before the first byte is written, their checksums
    while writing. Rights that the archive notes are not taken over.

    Raises:
        UserError: The archive cannot be read; a member lies outside the folder, is no plain file (a link, a device), is
            encrypted or damaged; it is larger than the limits; or the disk is too full. The message names the archive.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = _members(file)
            for member in members:
                if reason := _objection(member):
                    name = member.orig_filename
                    problem = f"member {name[:100]!r} {reason}: nothing was unpacked"
                    raise UserError(f"{archive}: {problem}; if you trust it, {_BY_HAND}")
            _check_size(members, archive, folder.parent)
            bar = progress_bar(len(members), f"unpacking {archive.name}", progress)
            with whole_folder(folder) as beside, bar as advance:
                for member in members:
                    file.extract(member, beside)
                    advance()
    except _DAMAGE as error:
        remedy = _BY_HAND if isinstance(error, NotImplementedError) else f"download it again, or {_BY_HAND}"
        raise UserError(f"{archive} is not a readable zip file ({first_line(error)}): {remedy}") from error


def _is_unpacked(archive: Path, folder: Path) -> bool:
    """Tell whether all files of an archive are in a folder with their sizes."""
    if not folder.is_dir():
        return False
    with zipfile.ZipFile(archive) as file:
        sizes = {folder / member.filename: member.file_size for member in _members(file) if not member.is_dir()}
    return all(path.is_file() and path.stat().st_size == size for path, size in sizes.items())


def _members(file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members of an archive; where no name has a slash, backslashes separate folders, as on Windows."""
    members = file.infolist()
    if not any("/" in member.filename for member in members):
        for member in members:
            member.filename = member.filename.replace("\\", "/")
    return members


def _objection(member: zipfile.ZipInfo) -> str | None:
    """Why a member must not be unpacked, as far as its entry in the directory tells."""
    name = member.orig_filename
    if name.startswith(("/", "\\")) or name[1:2] == ":" or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        return "points outside the folder"
    if "\0" in name or "\\" in member.filename:
        return "has a name that no folder can hold"
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link, a device or the like, no plain file"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    return None


def _check_size(members: Sequence[zipfile.ZipInfo], archive: Path, folder: Path) -> None:
    size = sum(member.file_size for member in members)
    if not size:
        raise UserError(f"{archive} holds no file")
    if size > LARGEST or (size > SMALL and size > LARGEST_RATIO * archive.stat().st_size):
        limit = f"{LARGEST / 1e9:.0f} GB, or {LARGEST_RATIO} times its size"
        raise UserError(f"{archive} unpacks to {size / 1e9:.1f} GB, more than {limit}: {_BY_HAND}")
    check_disk_space(folder, size, f"{archive} unpacks to", "set cache_dir to a larger disk")


def lone_folder(root: Path, wanted: str | None = None) -> Path:
    """Return the innermost folder that everything in ``root`` lies in, or the first that has the ``wanted`` file."""
    while not (wanted and (root / wanted).is_file()):
        shown = [entry for entry in root.iterdir() if not is_system(entry.name)]
        if len(shown) != 1 or not shown[0].is_dir():
            break
        root = shown[0]
    return root
