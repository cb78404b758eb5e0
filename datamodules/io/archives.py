"""Unpacks a zip file that may be damaged or hostile: it is checked before, and its folder is whole or absent."""

import json
import lzma
import shutil
import stat
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.errors import UserError
from common.files import sha256_of_file, sha256_of_value, write_json
from datamodules.io.decode import first_line
from datamodules.io.locks import one_at_a_time
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import make_once, whole_folder

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED = 0x1 | 0x40  # flag bits: encrypted, strongly encrypted
_LONGEST_NAME = 255  # bytes of one part of a path on the common file systems
# What zipfile and the decoders raise on damaged bytes.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to: the limit of the ratio to its own size is for large archives alone."""

    size: int = 64 << 30  # bytes of all members together
    members: int = 500_000  # folders included
    ratio: float = 100.0  # real image sets stay below 20
    small: int = 64 << 20  # a few blank images pack very well


def resolve_data_dir(data_dir: str | None, cache_dir: Path, progress: bool = True) -> str | None:
    """Return ``data_dir``, or, where it is a zip file, the folder that it is unpacked to.

    The folder is ``<cache_dir>/unpacked/<the zip's stem>-<8 hex of its SHA-256>``; it is made once, under a lock.

    Raises:
        UserError: The archive is damaged, encrypted, or not safe to unpack, or the disk is too full.
    """
    archive = Path(data_dir or "").expanduser()
    if not data_dir or not is_zip(archive):
        return data_dir
    home = Path(cache_dir) / "unpacked"
    folder = home / f"{archive.stem}-{_digest(archive, home)[:8]}"
    make_once(folder, lambda place: unpack(archive, place, progress=progress))
    return str(folder)


def is_zip(path: Path) -> bool:
    """Tell whether a path is a zip file, by its name or its content."""
    return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))


def unpack(archive: Path, folder: Path, limits: Limits | None = None, progress: bool = True) -> None:
    """Unpack a zip file into a new folder, whole or not at all.

    Names, kinds, sizes and encryption of all members are checked before the first byte is written; their own headers,
    sizes and checksums while writing, beside the folder's place. Rights that the archive notes are not taken over.

    Raises:
        UserError: The archive cannot be read; a member lies outside the folder, is no plain file (a link, a device), is
            encrypted, damaged or there twice (whatever the case of its letters); it is larger than the limits; or the
            disk is too full. The message names the archive and the member.
    """
    limits = limits or Limits()
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            files = [member for member in members if not member.is_dir()]
            if len(members) > limits.members:
                count = f"{len(members):,} members, more than {limits.members:,}"
                raise UserError(f"{archive} has {count}: nothing was unpacked")
            if not files:
                raise UserError(f"{archive} holds no file")
            for member in members:
                if reason := _objection(member):
                    raise _refused(archive, member, reason)
            _check_places(files, archive)
            _check_sizes(files, archive, limits)
            size = sum(member.file_size for member in files)
            check_space(folder.parent, size, f"{archive} unpacks to", "set cache_dir to a larger disk")
            with whole_folder(folder) as beside:
                _write(file, files, beside, archive, progress)
    except _DAMAGE as error:
        raise UserError(f"{archive} is not a readable zip file ({first_line(error)}): download it again") from error


def _objection(member: zipfile.ZipInfo) -> str | None:
    """Why a member must not be unpacked, as far as its entry in the directory tells."""
    name = member.orig_filename
    parts = name.removesuffix("/").split("/")
    kind = stat.S_IFMT(member.external_attr >> 16)
    plain = stat.S_IFREG
    if member.is_dir():
        plain = stat.S_IFDIR
    longest = max(len(part.encode(errors="replace")) for part in parts)
    objections = {
        "has an absolute path": name.startswith(("/", "\\")) or name[1:2] == ":",
        "points outside the folder, or holds a backslash": ".." in parts or "\\" in name,
        "has a path that no folder can hold": not {"", "."}.isdisjoint(parts) or longest > _LONGEST_NAME,
        "has control characters in its name": any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name),
        "is a link, a device or the like, no plain file": kind not in (0, plain),
        "is encrypted": bool(member.flag_bits & _ENCRYPTED),
        f"is packed by method {member.compress_type}, which is not known": member.compress_type not in _METHODS,
    }
    return next((text for text, applies in objections.items() if applies), None)


def _check_places(files: Sequence[zipfile.ZipInfo], archive: Path) -> None:
    """No two files in one place, also where capitals and composed letters do not count; no file where a folder is."""
    first: dict[str, zipfile.ZipInfo] = {}
    for member in files:
        place = unicodedata.normalize("NFC", member.filename).casefold()
        if place in first:
            raise _refused(archive, member, f"is there twice (the other: {first[place].filename!r})")
        first[place] = member
    for place, member in first.items():
        if any(str(folder) in first for folder in PurePosixPath(place).parents):
            raise _refused(archive, member, "lies below a member that is a file")


def _check_sizes(files: Sequence[zipfile.ZipInfo], archive: Path, limits: Limits) -> None:
    packed = archive.stat().st_size
    total = 0
    for member in files:
        total += member.file_size
        if total > limits.size:
            raise _refused(archive, member, f"brings it to more than {limits.size / 1e9:.1f} GB unpacked")
        # Also of the sum: members may share their packed bytes.
        if total > limits.small and total > limits.ratio * packed:
            raise _refused(archive, member, f"brings it to more than {limits.ratio:g} times its size unpacked")


def _write(
    file: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], folder: Path, archive: Path, progress: bool
) -> None:
    lock = threading.Lock()  # zipfile counts its open members without one

    def extract(member: zipfile.ZipInfo) -> None:
        place = folder.joinpath(*member.filename.split("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with lock:
                source = file.open(member)  # its own header may contradict the directory's
            with place.open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)  # stops at the size and checks the sum that it should have
                if target.tell() != member.file_size:
                    raise zipfile.BadZipFile("it unpacks to less than the archive says")
            with lock:
                source.close()
        except _DAMAGE as error:
            raise _refused(archive, member, f"is damaged ({first_line(error)})") from error

    for _ in threaded(extract, members, len(members), f"unpacking {archive.name}", progress):
        pass


def check_space(folder: Path, needed: int, what: str, remedy: str) -> None:
    """Refuse to write more bytes than the disk of a folder has left.

    Raises:
        UserError: There is too little space.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        sizes = f"{needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise UserError(f"{what} {sizes} in {folder}: {remedy}")


def _digest(archive: Path, home: Path) -> str:
    """Return the SHA-256 of the archive; one of the same size and times is not read again."""
    status = archive.stat()
    stamp = [str(archive.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    memory = home / f".{sha256_of_value(stamp)[:16]}.json"
    if not memory.is_file():
        with one_at_a_time(memory.with_suffix(".lock"), f"computes the hash of {archive}"):
            if not memory.is_file():
                write_json(memory, {"archive": stamp[0], "sha256": sha256_of_file(archive)})
    return str(json.loads(memory.read_text())["sha256"])


def _refused(archive: Path, member: zipfile.ZipInfo, why: str) -> UserError:
    name = member.orig_filename
    if len(name) > 100:
        name = name[:99] + "…"
    return UserError(f"{archive}: member {name!r} {why}: nothing was unpacked; download the archive again")
