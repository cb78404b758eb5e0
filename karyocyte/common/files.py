"""Files that are whole or absent: written beside their place, then renamed."""

import errno
import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from karyocyte.common.errors import UserError
from karyocyte.common.text import escape_formula, unescape_formula

if TYPE_CHECKING:
    import pandas as pd

Content = TypeVar("Content")
DEEPEST = 100  # lists and mappings within one another
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where possible: a sweep has hundreds of runs
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # or a limit of the user is reached
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")  # as mkstemp names files
LONGEST_STEM = 200  # bytes: file systems allow names of 255
MARK = ".karyocyte"  # a file in folders that Karyocyte makes, which are never read as data


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; the uppermost that was not there gets the mark, unless one above has it."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if made and not any((above / MARK).exists() for above in made[-1].parents):
        mark_folder(made[-1])


def mark_folder(folder: Path) -> None:
    """Put the mark into a folder, which images are then not looked for in."""
    (folder / MARK).write_text("Karyocyte made this folder and passes it over when it looks for images.\n")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the suffix of ``path``; rename it to ``path`` when the block ends well."""
    path = Path(path)
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
            sync(temporary)
        # mkstemp makes the file private; a result is as readable as any other file of its writer.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the error of a full disk the name of the file that was being written."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in DISK_IS_FULL:
            error.filename = str(path)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove what `atomic_path` of a killed process has left in a folder and below it."""
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def raise_unreadable(path: Path, error: Exception) -> None:
    """Raise an error in reading a file that says nothing of its content; any other one means that it is damaged.

    Raises:
        OSError: The file cannot be read, as while a disk of the network does not answer.
        MemoryError: The memory is too small.
    """
    for each in (error, error.__context__):  # zipfile hides what it meets at the end of a file
        if isinstance(each, MemoryError):
            raise each
        # A damaged offset before the start of the file is EINVAL; libraries raise an OSError without a number.
        if isinstance(each, OSError) and each.errno not in (None, errno.EINVAL):
            raise OSError(each.errno, each.strerror, str(each.filename or path)) from error


def sync(path: Path) -> None:
    """Wait until a file is on the disk: renamed before, it might be empty after a power failure."""
    with open(path, "rb" if os.name == "posix" else "r+b") as file:  # Windows asks for the right to write
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, whole or not at all."""
    write_bytes(path, text.encode())


def write_csv(path: Path, table: "pd.DataFrame", float_format: str | None = None) -> None:
    """Write a table as CSV without its index, whole or not at all; ``float_format`` such as "%.6f".

    Text that a spreadsheet would run as a formula is escaped; ``read_csv`` undoes it.
    """
    # Carriage returns in names of files are quoted only where they end a line.
    returns = table.select_dtypes(object).map(lambda text: isinstance(text, str) and "\r" in text).any(axis=None)
    end = {True: "\r\n", False: "\n"}[bool(returns)]
    escaped = changed_text(table, escape_formula)
    with atomic_path(path) as temporary:
        escaped.to_csv(temporary, index=False, float_format=float_format, lineterminator=end)


def read_csv(path: Path, **options: Any) -> "pd.DataFrame":
    """Read a table of ``write_csv``; the options are those of ``pandas.read_csv``."""
    import pandas as pd

    return changed_text(pd.read_csv(path, **options), unescape_formula)


def changed_text(table: "pd.DataFrame", change: Callable[[Any], Any]) -> "pd.DataFrame":
    """Return a table, its text and the names of its columns changed; numbers stay."""
    changed = table.copy(deep=False)
    for name, column in table.select_dtypes(exclude=["number", "bool"]).items():
        changed[name] = column.astype(object).map(change, na_action="ignore")
    return changed.rename(columns=change)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, whole or not at all. NaN is refused: say ``None``."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def safe_stems(names: Iterable[str]) -> list[str]:
    """Return a stem of a file for each name, whatever it holds and however long it is.

    No two are equal, capitals aside, and none has a folder. Of long names the end is kept.
    """
    stems = []
    seen: Counter[str] = Counter()
    for name in names:
        stem = re.sub(r"[^\w.-]+", "_", name).encode()[-LONGEST_STEM:].decode(errors="ignore")
        folded = stem.casefold()
        seen[folded] += 1
        if seen[folded] > 1:
            stem = f"{stem}~{seen[folded]}"
        stems.append(stem)
    return stems


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; a ``UserError`` names one that is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}): repair or remove it") from error


def read_whole_json(path: Path) -> dict[str, Any]:
    """Return the mapping that ``path`` holds; {} where there is none, or none that is whole: others write there."""
    with suppress(OSError, UserError):
        values = read_json(path)
        if isinstance(values, dict):
            return values
    return {}


def read_typed(path: Path, kind: type[Content], schema: int, remedy: str) -> Content:
    """Return the content of a JSON file as ``kind``, a dataclass; a ``UserError`` names the file and the remedy."""
    from pydantic import TypeAdapter  # here: most command lines fail without it

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("schema") != schema:
            raise UserError(f"{path} is of another version, this code reads schema {schema}: {remedy}")
        return TypeAdapter(kind).validate_python(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}): {remedy}") from error


def read_yaml(path: Path) -> Any:
    """Return the plain values of a YAML file, no objects and no code; a ``UserError`` names one that is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text, _LOADER):  # the loader in C would overflow its stack, and end the process
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise UserError(f"{path} is nested more than {DEEPEST} times: repair or remove it")
        return yaml.load(text, _LOADER)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not YAML ({' '.join(str(error).split())})") from error


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of the bytes of ``path`` as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_value(value: Any) -> str:
    """Return the SHA-256 (64 hex digits) of a JSON-able value; the order of a mapping's keys does not matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
