"""Karyotypes of images in memory, by a loaded model."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cytogenetics.karyotyping.karyotype_cells import karyotype_cells
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest
from cytogenetics.karyotyping.karyotype_tables import Tables
from datamodules.io.decode import encode_png
from karyocyte.common.cli import quiet
from karyocyte.loaded import Images, LoadedModel, checked, is_one


def karyotype(model: LoadedModel, cells: Mapping[str, Images] | Images, **settings: Any) -> Tables:
    """Return the tables of ``karyotype.py``: ``cells``, ``chromosomes`` and ``cases``.

        tables = cytogenetics.karyotype(karyocyte.load("models/chromosomes"), images)

    They are equal to those of the same images in files: these are written, without loss, into a temporary folder.

    Args:
        model: What ``karyocyte.load`` returns.
        cells: The pictures of the single chromosomes of a cell, or one picture of a metaphase; of several cells, a
            mapping from their names.
        settings: Keys of packages/cytogenetics/conf/karyotype.yaml.

    Raises:
        UserError: There is no image, or one is not uint8 or has another shape; the model is not of the 24 chromosomes;
            or a key is wrong.
    """
    named = dict(cells) if isinstance(cells, Mapping) else {"cell": cells}
    pictures = all(is_one(images) for images in named.values())
    given = {"input": "metaphases" if pictures else "chromosomes", **settings}
    with quiet(), TemporaryDirectory() as temporary:
        folder = Path(temporary) / "cells"
        for name, images in named.items():
            _write(images, folder if pictures else folder / name, name)
        keys = [f"{key}={value}" for key, value in given.items() if value is not None]
        words = [*map(str, model.paths), str(folder), *keys]
        return karyotype_cells(KaryotypeRequest.read(words, output=Path(temporary) / "karyotypes"))


def _write(images: Images, folder: Path, name: str) -> None:
    """Write images into a folder as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    several = checked(images)
    for number, image in enumerate(several, start=1):
        path = folder / (f"{name}.png" if len(several) == 1 else f"{number:06}.png")
        path.write_bytes(encode_png(image))
