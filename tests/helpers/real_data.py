"""The real images of KARYOCYTE_DATA_DIR; tests that use them skip where they are absent."""

import os
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """Return the folder of a real data set ("cnmc_sample"), unpacked from its zip once per process where need be."""
    home = os.environ.get("KARYOCYTE_DATA_DIR")
    if not home:
        pytest.skip("KARYOCYTE_DATA_DIR is not set: no real images")
    folder, archive = Path(home) / name, Path(home) / f"{name}.zip"
    if folder.is_dir():
        return folder
    if not archive.is_file():
        pytest.skip(f"KARYOCYTE_DATA_DIR has neither {name} nor {name}.zip")
    return _unpacked(archive)


def real_archive(name: str) -> Path:
    """Return the zip of a real data set ("cifar10_jpeg"), as it is."""
    archive = Path(os.environ.get("KARYOCYTE_DATA_DIR") or "/nowhere") / f"{name}.zip"
    if not archive.is_file():
        pytest.skip(f"KARYOCYTE_DATA_DIR has no {name}.zip")
    return archive


@cache
def _unpacked(archive: Path) -> Path:
    # The object is kept so that the folder lives, and goes, with the process.
    place = tempfile.TemporaryDirectory(prefix="karyocyte-data-")
    _KEPT.append(place)
    with zipfile.ZipFile(archive) as file:
        file.extractall(place.name)
    return Path(place.name)


_KEPT: list[tempfile.TemporaryDirectory] = []
