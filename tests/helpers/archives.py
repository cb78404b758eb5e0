"""Writes zip files: honest ones of a folder, and hostile ones byte by byte."""

import stat
import zipfile
from pathlib import Path


def zip_folder(folder: Path, archive: Path, below: str = "") -> Path:
    """Pack all files of a folder; ``below`` ("top/") is put before their names."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, below + path.relative_to(folder).as_posix())
    return archive


def write_zip(archive: Path, *members: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    """Write members by name and content after an innocent one; ``mode`` is the Unix mode of the last."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("innocent.txt", b"innocent")
        for position, (name, data) in enumerate(members):
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name  # past what the constructor mends
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            last = position == len(members) - 1
            info.external_attr = (mode if last else stat.S_IFREG | 0o644) << 16
            file.writestr(info, data)
    return archive


def patch(archive: Path, name: str, offset: int, value: bytes, local_offset: int | None = None) -> Path:
    """Overwrite bytes of a member's entry in the directory, and of its own header where ``local_offset`` is given."""
    data = bytearray(archive.read_bytes())
    entry = data.rindex(name.encode()) - 46
    data[entry + offset : entry + offset + len(value)] = value
    if local_offset is not None:
        header = data.index(name.encode()) - 30
        data[header + local_offset : header + local_offset + len(value)] = value
    archive.write_bytes(data)
    return archive
