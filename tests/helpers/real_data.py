"""The real images of KARYOCYTE_DATA_DIR; tests that use them skip where they are absent."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """Return the folder of a real data set ("cnmc_sample"), unpacked from its zip once per process where need be."""
    folder = Path(os.environ.get("KARYOCYTE_DATA_DIR") or "/nowhere") / name
    return folder if folder.is_dir() else _unpacked(real_archive(name))


@cache
def _unpacked(archive: Path) -> Path:
    folder = tempfile.TemporaryDirectory(prefix="karyocyte-data-")
    atexit.register(folder.cleanup)
    shutil.unpack_archive(archive, folder.name)
    return Path(folder.name)


def real_archive(name: str) -> Path:
    """Return the zip of a real data set ("cifar10_jpeg"), as it is."""
    archive = Path(os.environ.get("KARYOCYTE_DATA_DIR") or "/nowhere") / f"{name}.zip"
    if not archive.is_file():
        pytest.skip(f"KARYOCYTE_DATA_DIR has no {name}.zip")
    return archive
