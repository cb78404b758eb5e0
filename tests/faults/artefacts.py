"""Files of runs, portable models and outputs, changed as by hand or by a damaged disk."""

from collections.abc import Callable
from pathlib import Path

from karyocyte.common.checksums import Checksums
from karyocyte.common.files import write_text


def _flip(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "cut": lambda path, other: path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10]),
    "bit": _flip,
    "of another run": lambda path, other: path.write_bytes(other.read_bytes()),
    "edited": lambda path, other: path.write_bytes(path.read_bytes() + b"\n"),
    "missing": lambda path, other: path.unlink(),
}


def rewrite(path: Path, text: str) -> None:
    """Write a file of an export and record it, as its own program does: for what is read after the check."""
    write_text(path, text)
    Checksums(path.parent, "export.json", "").add(path.name)
