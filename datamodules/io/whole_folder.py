"""A folder that is whole or absent."""

import glob
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import mark_folder, naming, sync
from karyocyte.common.locks import file_lock, one_at_a_time

UNPACKED = "unpacked"  # the folder of the cache that zip files are unpacked to


def make_once(folder: Path, make: Callable[[Path], None], is_whole: Callable[[Path], bool] = Path.is_dir) -> None:
    """Call ``make(folder)`` under a lock, unless the folder is whole, as it may be once another process is done."""
    if is_whole(folder):
        return
    with one_at_a_time(folder.parent / f"{folder.name}.lock", f"makes {folder}"):
        if not is_whole(folder):
            if folder.exists():  # it was whole when it was made
                warn(f"{folder} is damaged or incomplete: it is made anew")
            make(folder)


@contextmanager
def whole_folder(folder: Path, of_data: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; once the block ends well, it takes the place of ``folder``.

    It gets the mark of Karyocyte's own folders, unless it is one ``of_data`` to train on.

    The caller holds a lock, so that what a killed process has left beside it can go.
    """
    for left_over in folder.parent.glob(f".{glob.escape(folder.name)}-*"):
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True) as name:
        beside = Path(name)
        if not of_data:
            mark_folder(beside)
        with naming(folder):
            yield beside
        beside.chmod(0o755)  # temporary folders are private; runs of others may share the cache
        for path in beside.rglob("*"):
            if path.is_file():
                sync(path)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)


@contextmanager
def new_whole_folder(folder: Path, of_data: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; once the block ends well, it takes the place of ``folder``, which must be free.

    See `whole_folder` for ``of_data``.

    Raises:
        UserError: In the meantime another process has written there.
    """
    from karyocyte.runs.arguments import new_folder  # here: a training fills no folder that an option names

    lock = folder.parent / f".{folder.name}.lock"
    try:
        with file_lock(lock), whole_folder(folder, of_data) as beside:
            yield beside
            new_folder(folder)
    finally:
        lock.unlink(missing_ok=True)


def check_disk_space(folder: Path, needed: int, what: str, remedy: str) -> None:
    """Refuse to write more bytes than the disk of a folder has left.

    Raises:
        UserError: There is too little space.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        sizes = f"{needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise UserError(f"{what} {sizes} in {folder}: {remedy}")
