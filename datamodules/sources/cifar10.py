"""CIFAR-10: small photographs in ten classes, as torchvision's batches or as a tree of JPEG or PNG files."""

import hashlib
from pathlib import Path

import numpy as np

from datamodules.manifest.manifest import Manifest, manifest_frame
from datamodules.sources import SourceContext, source
from datamodules.sources._published import GIVEN, Notes, folder_of, list_arrays
from datamodules.sources.listing import hint_at_archives, image_files, sub_folders
from karyocyte.common.errors import UserError
from karyocyte.config.sources import Cifar10Config

HOME = "www.cs.toronto.edu/~kriz/cifar.html (the Python version), or data.download=true"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PUBLISHED = {"train": 50_000, "test": 10_000}
BATCHES = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
CIFAR10_VERSION = 1  # raise it when the same batches would be written out otherwise


@source(Cifar10Config, home=HOME)
def list_cifar10(data: Cifar10Config, context: SourceContext) -> Manifest:
    """List the photographs; the official test set is the given part "test", the train set has no given part.

    A tree ``{train,test}/<class>/`` of image files in ``data_dir`` (or in its folder ``cifar10``) is used in place.
    Else torchvision's batches (``cifar-10-batches-py``) are checked by torchvision against their published MD5 and
    written once as PNG to ``<cache_dir>/cifar10/<hash>/<part>/<class>/<number>.png``.

    Raises:
        UserError: The folder is missing, holds neither, a batch is missing or damaged, a class folder is not known or
            missing, or the download does not succeed.
    """
    root = folder_of(context, data.download, _find, "CIFAR10")
    place, is_tree = _find(root)
    if is_tree:
        return _list_tree(place, context.follow_links)
    from torchvision.datasets import CIFAR10

    key = hashlib.sha256(f"cifar10 {CIFAR10_VERSION}".encode())
    parts = {}
    for part in PUBLISHED:
        batches = CIFAR10(str(place), train=part == "train")
        key.update(batches.data.tobytes() + bytes(batches.targets))
        parts[part] = (batches.data, np.array(batches.targets))
    folder = context.cache_dir / data.source / key.hexdigest()[:16]
    return list_arrays(parts, CLASSES, PUBLISHED, folder, context)


def _find(root: Path) -> tuple[Path, bool]:
    """Find the folder of the tree or of the batches, and tell whether it is a tree."""
    for place in (root, root / "cifar10"):
        if (place / "train").is_dir() and (place / "test").is_dir():
            return place, True
    folder = root / BATCHES
    if root.name == BATCHES:
        folder = root
    if not folder.is_dir():
        remedy = f"bring {BATCHES}, or train/<class>/ and test/<class>/, or set data.download=true"
        raise UserError(f"no CIFAR-10 in {root}{hint_at_archives(root)}: {remedy}")
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    files = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    wrong = [name for name, md5 in files if not check_integrity(str(folder / name), md5)]
    if wrong:
        raise UserError(f"{folder}: {', '.join(wrong)} missing or not as published: unpack {ARCHIVE} again")
    return folder.parent, False


def _list_tree(root: Path, follow_links: bool) -> Manifest:
    rows: list[dict[str, str | None]] = []
    notes = Notes()
    for part, whole in PUBLISHED.items():
        folders = sub_folders(root / part)
        names = {folder.name for folder in folders}
        if names != set(CLASSES):
            wrong = ", ".join(sorted(names ^ set(CLASSES)))
            raise UserError(f"{root / part} has not one folder for each class of CIFAR-10: {wrong} (are: {CLASSES})")
        before = len(rows)
        for name in CLASSES:
            for file in image_files(root / part / name, follow_links):
                path = file.relative_to(root).as_posix()
                rows.append({"image_id": path, "path": path, "label": name, "part": GIVEN[part]})
        notes.compare(part, {part: len(rows) - before}, {part: whole})
    frame = manifest_frame(rows)
    if frame["path"].str.lower().str.endswith((".jpg", ".jpeg")).any():
        notes.all += ("JPEG: not the published bits",)
    return Manifest(frame, root, CLASSES, None, "cifar10", notes.all, incomplete=notes.incomplete)
