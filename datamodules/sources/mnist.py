"""MNIST: handwritten digits in the four IDX files that torchvision reads and downloads."""

import gzip
import shutil
from functools import partial
from pathlib import Path

from datamodules.io.whole_folder import make_once, whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.sources import SourceContext, source
from datamodules.sources._published import Arrays, folder_of, list_arrays, read_arrays
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.config.sources import MnistConfig

HOME = "the mirrors that torchvision.datasets.MNIST names, or data.download=true"
CLASSES = tuple("0123456789")
PUBLISHED = {"train": 60_000, "test": 10_000}
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PLACES = (".", "mnist", "MNIST/raw")  # the last is torchvision's


@source(MnistConfig, home=HOME)
def list_mnist(data: MnistConfig, context: SourceContext) -> Manifest:
    """List the digits; they are written once as PNG to ``<cache_dir>/mnist/<hash>/<part>/<class>/<number>.png``.

    The IDX files, plain or gzipped, lie in ``data_dir``, in its folder ``mnist``, or in ``MNIST/raw``. The official
    test set is the given part "test" (``split.test=test``); the train set has no given part.

    Raises:
        UserError: The folder or a file is missing or damaged, or the download does not succeed.
    """
    read = partial(_read, cache_dir=context.cache_dir)
    root = folder_of(context, data.download, read, "MNIST")
    return list_arrays(read(root), CLASSES, PUBLISHED, data.source, context)


def _read(root: Path, cache_dir: Path) -> Arrays:
    for place in (root / name for name in PLACES):
        files = [path for name in FILES for path in (place / f"{name}.gz", place / name) if path.is_file()]
        if len({path.stem for path in files}) == len(FILES):
            facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
            unpacked = cache_dir / "mnist" / f"unpacked-{sha256_of_value(facts)[:16]}"
            make_once(unpacked, partial(_unpack, files))
            return read_arrays("MNIST", unpacked, "the four IDX files")
    raise UserError(f"no MNIST in {root}: bring the four IDX files ({', '.join(FILES)}), or set data.download=true")


def _unpack(files: list[Path], folder: Path) -> None:
    """Write the files where torchvision reads them, plain."""
    with whole_folder(folder) as beside:
        raw = beside / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for path in files:
            try:
                with (
                    (gzip.open if path.suffix == ".gz" else open)(path, "rb") as packed,
                    open(raw / path.stem, "wb") as plain,
                ):
                    shutil.copyfileobj(packed, plain)
            except (OSError, EOFError) as error:
                raise UserError(f"{path} is damaged ({error}): download it again") from error
