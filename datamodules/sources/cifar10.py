"""CIFAR-10: small photographs in ten classes, as torchvision's batches or as a tree of JPEG or PNG files."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.manifest.manifest import Listing, Record
from datamodules.sources._arrays import write_once
from datamodules.sources._files import hint_at_archives, image_files, require_data_dir, sub_folders
from datamodules.sources._published import completeness, download
from datamodules.sources._registry import SourceContext, source

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

HOME = "www.cs.toronto.edu/~kriz/cifar.html (the Python version), or data.download=true"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PUBLISHED = {"train": 50_000, "test": 10_000}
BATCHES = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
CIFAR10_VERSION = 1  # raise it when the same batches would be written out otherwise


class Cifar10Config(SourceConfig, defaults="data/cifar10"):
    """CIFAR-10: torchvision's batches, or a tree of JPEG files."""

    source: Literal["cifar10"]
    download: bool = FROM_YAML


@source(Cifar10Config, home=HOME)
def list_cifar10(data: Cifar10Config, context: SourceContext) -> Listing:
    """List the photographs; the official test set is the given part "test", the train set has no given part.

    A tree ``{train,test}/<class>/`` of image files in ``data_dir`` (or in its folder ``cifar10``) is used in place.
    Else torchvision's batches (``cifar-10-batches-py``) are checked by torchvision against their published MD5 and
    written once as PNG to ``<cache_dir>/cifar10/<hash>/<part>/<class>/<number>.png``.

    Raises:
        UserError: The folder is missing, holds neither, a batch is missing or damaged, a class folder is not known or
            missing, or the download does not succeed.
    """
    root = _download(context.data_dir) if data.download else require_data_dir(context.data_dir)
    tree = _tree(root)
    if tree is not None:
        return _list_tree(tree)
    return _list_batches(find_batches(root), context.cache_dir, context.progress)


def find_batches(root: Path) -> Path:
    """Return the folder that ``cifar-10-batches-py`` lies in.

    Raises:
        UserError: It is nowhere in ``root``, or one of its files is missing or not the published one.
    """
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    folder = root if root.name == BATCHES else root / BATCHES
    if not folder.is_dir():
        remedy = f"bring {BATCHES}, or train/<class>/ and test/<class>/, or set data.download=true"
        raise UserError(f"no CIFAR-10 in {root}{hint_at_archives(root)}: {remedy}")
    files = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    wrong = [name for name, md5 in files if not check_integrity(str(folder / name), md5)]
    if wrong:
        raise UserError(f"{folder}: {', '.join(wrong)} missing or not as published: unpack {ARCHIVE} anew")
    return folder.parent


def _tree(root: Path) -> Path | None:
    places = (root, root / "cifar10")
    return next((place for place in places if (place / "train").is_dir() and (place / "test").is_dir()), None)


def _list_tree(root: Path) -> Listing:
    records = []
    counts = {}
    for part in PUBLISHED:
        folders = {folder.name: folder for folder in sub_folders(root / part)}
        for name in (*folders, *CLASSES):
            if name not in CLASSES:
                raise UserError(f"{folders[name]}: no class of CIFAR-10 is called {name}: {', '.join(CLASSES)}")
            if name not in folders:
                raise UserError(f"{root / part} has no folder {name}: each class of CIFAR-10 needs one")
        paths = [path for name in CLASSES for path in image_files(folders[name])]
        counts[part] = len(paths)
        records += [_record(path.relative_to(root).as_posix(), part) for path in paths]
    lossy = any(record.path.lower().endswith((".jpg", ".jpeg")) for record in records)
    notes = (*completeness(counts, PUBLISHED), *(("JPEG: not the published bits",) if lossy else ()))
    return Listing(tuple(records), root, CLASSES, None, "cifar10", notes)


def _record(path: str, part: str) -> Record:
    label = path.split("/")[1]
    return Record(path, path, label, None, "test" if part == "test" else None)


def _list_batches(root: Path, cache_dir: Path, progress: bool) -> Listing:
    from torchvision.datasets import CIFAR10

    batches = {part: CIFAR10(str(root), train=part == "train") for part in PUBLISHED}
    key = hashlib.sha256(f"cifar10 {CIFAR10_VERSION}".encode())
    for batch in batches.values():
        key.update(batch.data.tobytes() + bytes(batch.targets))
    folder = Path(cache_dir) / "cifar10" / key.hexdigest()[:16]
    paths = {part: _paths(part, batch) for part, batch in batches.items()}
    write_once(folder, [*paths["train"], *paths["test"]], [*batches["train"].data, *batches["test"].data], progress)
    records = tuple(_record(path, part) for part in PUBLISHED for path in paths[part])
    notes = completeness({part: len(paths[part]) for part in PUBLISHED}, PUBLISHED)
    return Listing(records, folder, CLASSES, None, "cifar10", notes)


def _paths(part: str, batch: "CIFAR10") -> list[str]:
    return [f"{part}/{batch.classes[label]}/{number:05d}.png" for number, label in enumerate(batch.targets)]


def _download(data_dir: str | None) -> Path:
    from torchvision.datasets import CIFAR10

    def find(root: Path) -> None:
        if _tree(root) is None:
            find_batches(root)

    return download(data_dir, find, lambda root: CIFAR10(str(root), download=True), f"CIFAR-10 ({BATCHES})")
