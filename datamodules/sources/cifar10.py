"""CIFAR-10: small photographs in ten classes, as torchvision's batches or as a tree of JPEG or PNG files."""

from pathlib import Path

import numpy as np

from datamodules.manifest.manifest import Manifest, manifest_frame
from datamodules.sources import SourceContext, source
from datamodules.sources._published import GIVEN, Arrays, completeness, folder_of, list_arrays
from datamodules.sources.listing import image_files, sub_folders
from karyocyte.common.errors import UserError, first_line
from karyocyte.config.sources import Cifar10Config

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PUBLISHED = {"train": 50_000, "test": 10_000}
BATCHES = "cifar-10-batches-py"


@source(Cifar10Config)
def list_cifar10(data: Cifar10Config, context: SourceContext) -> Manifest:
    """List the photographs; the official test set is the given part "test", the train set has no given part.

    A tree ``{train,test}/<class>/`` of image files in ``data_dir`` (or in its folder ``cifar10``) is used in place.
    Else torchvision's batches (``cifar-10-batches-py``) are checked by torchvision against their published MD5 and
    written once as PNG to ``<cache_dir>/cifar10/<hash>/<part>/<class>/<number>.png``.

    Raises:
        UserError: The folder is missing, holds neither, a batch is missing or damaged, a class folder is not known or
            missing, or the download does not succeed.
    """
    root = folder_of(context, data.download, "CIFAR10")
    if tree := _tree(root):
        return _list_tree(tree, context.follow_links)
    return list_arrays(_read(root), CLASSES, PUBLISHED, data.source, context)


def _tree(root: Path) -> Path | None:
    """Return the folder that holds the tree of image files; None where there is none."""
    places = (root, root / "cifar10")
    return next((place for place in places if (place / "train").is_dir() and (place / "test").is_dir()), None)


def _read(root: Path) -> Arrays:
    from torchvision.datasets import CIFAR10

    place = root.parent if root.name == BATCHES else root
    try:
        loaded = {part: CIFAR10(str(place), train=part == "train") for part in GIVEN}
    except Exception as error:  # damaged bytes raise errors of many kinds
        problem = f"no CIFAR10 in {place} ({first_line(error)})"
        files = f"{BATCHES}, or train/<class>/ and test/<class>/"
        raise UserError(f"{problem}: bring {files}, or set data.download=true") from error
    return {part: (np.asarray(each.data), np.asarray(each.targets)) for part, each in loaded.items()}


def _list_tree(root: Path, follow_links: bool) -> Manifest:
    rows: list[dict[str, str | None]] = []
    notes = []
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
        notes.append(completeness(part, {part: len(rows) - before}, {part: whole}))
    frame = manifest_frame(rows)
    if frame["path"].str.lower().str.endswith((".jpg", ".jpeg")).any():
        notes.append("JPEG: not the published bits")
    return Manifest(frame, root, CLASSES, None, "cifar10", tuple(notes))
