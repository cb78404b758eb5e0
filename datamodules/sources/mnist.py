"""MNIST: handwritten digits in the four IDX files that torchvision reads and downloads."""

import hashlib
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.manifest.manifest import Listing, Record
from datamodules.sources._arrays import write_once
from datamodules.sources._files import require_data_dir
from datamodules.sources._published import completeness, download
from datamodules.sources._registry import SourceContext, source

HOME = "the mirrors that torchvision.datasets.MNIST names, or data.download=true"
CLASSES = tuple("0123456789")
PUBLISHED = {"train": 60_000, "test": 10_000}
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
MNIST_VERSION = 1  # raise it when the same files would be written out otherwise

_PLACES = (".", "mnist", "MNIST/raw")  # the last is torchvision's


class MnistConfig(SourceConfig, defaults="data/mnist"):
    """MNIST: torchvision's IDX files."""

    source: Literal["mnist"]
    download: bool = FROM_YAML


@source(MnistConfig, home=HOME)
def list_mnist(data: MnistConfig, context: SourceContext) -> Listing:
    """List the digits; they are written once as PNG to ``<cache_dir>/mnist/<hash>/<part>/<class>/<number>.png``.

    The IDX files, plain or gzipped, lie in ``data_dir``, in its folder ``mnist``, or in ``MNIST/raw``. The official
    test set is the given part "test" (``split.test=test``); the train set has no given part.

    Raises:
        UserError: The folder or a file is missing or damaged, images and labels do not go together, or the download
            does not succeed.
    """
    root = _download(context.data_dir) if data.download else require_data_dir(context.data_dir)
    files = find_files(root)
    labels = {part: _read(files[names[1]], "label") for part, names in FILES.items()}
    images = {part: _read(files[names[0]], "image") for part, names in FILES.items()}
    paths = {part: _paths(part, images[part], labels[part], root) for part in FILES}
    key = hashlib.sha256(f"mnist {MNIST_VERSION}".encode())
    for part in FILES:
        for array in (images[part], labels[part]):
            key.update(f"{part} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    folder = context.cache_dir / "mnist" / key.hexdigest()[:16]
    write_once(folder, [*paths["train"], *paths["test"]], [*images["train"], *images["test"]], context.progress)
    records = [
        Record(path, path, CLASSES[label], None, "test" if part == "test" else None)
        for part in FILES
        for path, label in zip(paths[part], labels[part], strict=True)
    ]
    notes = completeness({part: len(labels[part]) for part in FILES}, PUBLISHED)
    return Listing(tuple(records), folder, CLASSES, None, "mnist", notes)


def find_files(root: Path) -> dict[str, Path]:
    """Return the four IDX files by their names without ``.gz``.

    Raises:
        UserError: One is missing; the message names all that are missing where most of them lie.
    """
    names = [name for pair in FILES.values() for name in pair]
    found = [_present(root / place, names) for place in _PLACES]
    best = max(found, key=len)
    missing = [f"{name}.gz" for name in names if name not in best]
    if missing:
        remedy = f"bring them to {root}, or set data.download=true"
        raise UserError(f"MNIST in {root} lacks {', '.join(missing)}: {remedy}")
    return best


def _present(folder: Path, names: list[str]) -> dict[str, Path]:
    choices = ((name, folder / f"{name}{ending}") for name in names for ending in (".gz", ""))
    return {name: path for name, path in choices if path.is_file()}


def _read(path: Path, kind: str) -> np.ndarray:
    """Return images, uint8 (N, 28, 28), or labels, int64 (N,), by torchvision's own functions."""
    # Imported here: it needs torch, and no other source does.
    from torchvision.datasets.mnist import read_image_file, read_label_file
    from torchvision.datasets.utils import extract_archive

    reader: Callable[[str], Any] = read_image_file if kind == "image" else read_label_file
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain = extract_archive(str(path), folder) if path.suffix == ".gz" else path
            return np.asarray(reader(str(plain)).numpy())
    except (OSError, EOFError, zlib.error, AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:
        said = (str(error).splitlines() or ["not of the IDX form"])[0]
        raise UserError(f"{path} is no IDX file of {kind}s that can be read ({said}): get it anew") from error


def _paths(part: str, images: np.ndarray, labels: np.ndarray, root: Path) -> list[str]:
    if len(images) != len(labels):
        raise UserError(f"MNIST in {root}: {len(images):,} {part} images, {len(labels):,} labels: get the files anew")
    if len(labels) and labels.max() >= len(CLASSES):
        raise UserError(f"MNIST in {root}: a {part} label is {labels.max()}, above 9: get the files anew")
    return [f"{part}/{CLASSES[label]}/{number:05d}.png" for number, label in enumerate(labels)]


def _download(data_dir: str | None) -> Path:
    from torchvision.datasets import MNIST

    names = [f"{name}.gz" for pair in FILES.values() for name in pair]
    return download(
        data_dir,
        find_files,
        lambda root: MNIST(str(root), download=True),
        f"MNIST ({', '.join(names)})",
    )
