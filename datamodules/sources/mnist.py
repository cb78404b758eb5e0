"""MNIST: handwritten digits in the four IDX files that torchvision downloads."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from datamodules.manifest.manifest import Manifest
from datamodules.sources import SourceContext, source
from datamodules.sources._published import Arrays, folder_of, list_arrays
from karyocyte.common.errors import UserError
from karyocyte.config.sources import MnistConfig

CLASSES = tuple("0123456789")
PUBLISHED = {"train": 60_000, "test": 10_000}
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PLACES = (".", "mnist", "MNIST/raw")  # the last is torchvision's


@source(MnistConfig)
def list_mnist(data: MnistConfig, context: SourceContext) -> Manifest:
    """List the digits; they are written once as PNG to ``<cache_dir>/mnist/<hash>/<part>/<class>/<number>.png``.

    The IDX files, plain or gzipped, lie in ``data_dir``, in its folder ``mnist``, or in ``MNIST/raw``. The official
    test set is the given part "test" (``split.test=test``); the train set has no given part.

    Raises:
        UserError: The folder or a file is missing or damaged, or the download does not succeed.
    """
    root = folder_of(context, data.download, "MNIST")
    return list_arrays(_read(root), CLASSES, PUBLISHED, data.source, context)


def _read(root: Path) -> Arrays:
    for place in (root / name for name in PLACES):
        files = [path for name in FILES for path in (place / name, place / f"{name}.gz") if path.is_file()]
        # The plain one, where both are there.
        arrays = {path.name.removesuffix(".gz"): path for path in reversed(files)}
        if len(arrays) == len(FILES):
            images, labels, test_images, test_labels = (_read_idx(arrays[name]) for name in FILES)
            return {"train": (images, labels), "test": (test_images, test_labels)}
    raise UserError(f"no MNIST in {root}: bring the four IDX files ({', '.join(FILES)}), or set data.download=true")


def _read_idx(path: Path) -> np.ndarray:
    """Return the array of a file: four bytes, of which the last is the number of dimensions, the shape, the values."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            data = file.read()
        dimensions = data[3]
        shape = np.frombuffer(data, ">i4", dimensions, offset=4)
        return np.frombuffer(data, np.uint8, offset=4 * (1 + dimensions)).reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise UserError(f"{path} is damaged ({error}): download it again") from error
