"""A folder that is whole or absent."""

import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; once the block ends well, it takes the place of ``folder``.

    The caller holds a lock, so that what a killed process has left beside it can go.
    """
    for left_over in folder.parent.glob(f".{glob.escape(folder.name)}-*"):
        shutil.rmtree(left_over)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield beside
        beside.chmod(0o755)  # mkdtemp's folders are private; runs of others may share the cache
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
