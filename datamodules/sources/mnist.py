"""MNIST: handwritten digits in the four IDX files that torchvision reads and downloads."""

from pathlib import Path

from datamodules.manifest.manifest import Manifest
from datamodules.sources import SourceContext, source
from datamodules.sources._published import Arrays, folder_of, list_arrays, read_arrays
from karyocyte.config.sources import MnistConfig

HOME = "the mirrors that torchvision.datasets.MNIST names, or data.download=true"
CLASSES = tuple("0123456789")
PUBLISHED = {"train": 60_000, "test": 10_000}


@source(MnistConfig, home=HOME)
def list_mnist(data: MnistConfig, context: SourceContext) -> Manifest:
    """List the digits; they are written once as PNG to ``<cache_dir>/mnist/<hash>/<part>/<class>/<number>.png``.

    The IDX files lie in the folder ``MNIST/raw`` of ``data_dir``, unpacked, where torchvision puts them. The official
    test set is the given part "test" (``split.test=test``); the train set has no given part.

    Raises:
        UserError: The folder or a file is missing or damaged, or the download does not succeed.
    """
    root = folder_of(context, data.download, _read, "MNIST")
    return list_arrays(_read(root), CLASSES, PUBLISHED, data.source, context)


def _read(root: Path) -> Arrays:
    if root.match("MNIST/raw"):  # of a zip that holds nothing else
        root = root.parents[1]
    return read_arrays("MNIST", root, "the four IDX files, unpacked, in MNIST/raw")
