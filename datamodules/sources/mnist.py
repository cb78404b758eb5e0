"""MNIST: handwritten digits in the four IDX files that torchvision reads and downloads."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from datamodules.manifest.manifest import Manifest
from datamodules.sources import SourceContext, source
from datamodules.sources._published import folder_of, list_arrays
from karyocyte.common.errors import UserError
from karyocyte.config.sources import MnistConfig

HOME = "the mirrors that torchvision.datasets.MNIST names, or data.download=true"
CLASSES = tuple("0123456789")
PUBLISHED = {"train": 60_000, "test": 10_000}
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
MNIST_VERSION = 1  # raise it when the same files would be written out otherwise

_NAMES = [*FILES["train"], *FILES["test"]]
_PLACES = (".", "mnist", "MNIST/raw")  # the last is torchvision's


@source(MnistConfig, home=HOME)
def list_mnist(data: MnistConfig, context: SourceContext) -> Manifest:
    """List the digits; they are written once as PNG to ``<cache_dir>/mnist/<hash>/<part>/<class>/<number>.png``.

    The IDX files, plain or gzipped, lie in ``data_dir``, in its folder ``mnist``, or in ``MNIST/raw``. The official
    test set is the given part "test" (``split.test=test``); the train set has no given part.

    Raises:
        UserError: The folder or a file is missing or damaged, images and labels do not go together, or the download
            does not succeed.
    """
    root = folder_of(context, data.download, find_files, "MNIST")
    files = find_files(root)
    key = hashlib.sha256(f"mnist {MNIST_VERSION}".encode())
    parts = {}
    for part, names in FILES.items():
        images = _read(files[names[0]])
        labels = _read(files[names[1]]).astype(np.int64)
        if len(images) != len(labels):
            counts = f"{len(images):,} {part} images, {len(labels):,} labels"
            raise UserError(f"MNIST in {root}: {counts}: download them again")
        if len(labels) and labels.max() >= len(CLASSES):
            raise UserError(f"MNIST in {root}: a {part} label is {labels.max()}, above 9: download them again")
        parts[part] = (images, labels)
        for array in parts[part]:
            key.update(f"{part} {array.shape} ".encode() + array.tobytes())
    folder = context.cache_dir / data.source / key.hexdigest()[:16]
    return list_arrays(parts, CLASSES, PUBLISHED, folder, context)


def find_files(root: Path) -> dict[str, Path]:
    """Return the four IDX files by their names without ``.gz``.

    Raises:
        UserError: One is missing; the message names all that are missing where most of them lie.
    """
    found: list[dict[str, Path]] = []
    for place in _PLACES:
        files = {}
        for name in _NAMES:
            for path in (root / place / f"{name}.gz", root / place / name):
                if path.is_file():
                    files[name] = path
        found.append(files)
    best = max(found, key=len)
    missing = [f"{name}.gz" for name in _NAMES if name not in best]
    if missing:
        remedy = f"bring them to {root}, or set data.download=true"
        raise UserError(f"MNIST in {root} lacks {', '.join(missing)}: {remedy}")
    return best


def _read(path: Path) -> np.ndarray:
    """Return the images (N, 28, 28) or labels (N,) of an IDX file, uint8."""
    opened = {".gz": gzip.open}.get(path.suffix, Path.open)
    try:
        with opened(path, "rb") as file:
            data = file.read()
        sides = data[3]  # after two zeros and the type
        shape = np.frombuffer(data, ">i4", sides, 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * sides).reshape(shape)
    except (OSError, EOFError, zlib.error, IndexError, ValueError) as error:
        raise UserError(f"{path} is not a readable IDX file ({error}): download it again") from error
