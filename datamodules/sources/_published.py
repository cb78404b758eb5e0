"""Published data sets: downloaded by torchvision, written from arrays to files, and compared with the whole set."""

import hashlib
import http.client
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datamodules.io.written_images import write_once
from datamodules.manifest.manifest import PARTIAL, Manifest, manifest_frame
from datamodules.sources import SourceContext
from datamodules.sources.listing import data_folder
from karyocyte.common.errors import UserError
from karyocyte.common.locks import one_at_a_time

GIVEN = {"train": None, "test": "test"}  # the given part of the images of the official parts
WRITTEN_VERSION = 2  # raise it when the same arrays would be written out otherwise

GUIDE = "docs/guides/data_sets.md"
Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]  # images and labels of "train" and "test"


def folder_of(context: SourceContext, download: bool, data_set: str) -> Path:
    """Return the data folder; with ``download`` torchvision brings what is missing, which it checks by its MD5.

    ``data_set`` is the class in ``torchvision.datasets``.

    Raises:
        UserError: No folder is named, or the download does not succeed.
    """
    if not download or context.data_dir is None:
        return data_folder(context)
    from torchvision import datasets

    root = Path(context.data_dir).expanduser()
    try:
        with one_at_a_time(root / ".download.lock", f"downloads {data_set} to {root}"):
            getattr(datasets, data_set)(str(root), download=True)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"the download of {data_set} failed ({cause}): bring its files to {root} by hand") from error
    return root


def completeness(title: str, counts: Mapping[str, int], published: Mapping[str, int], home: str = GUIDE) -> str:
    """Return the note that a part has all published images, or what it lacks by class; ``home`` has the rest."""
    present, whole = sum(counts.values()), sum(published.values())
    if dict(counts) == dict(published):
        return f"complete: {whole:,} {title} images"
    if any(count > published.get(name, 0) for name, count in counts.items()):
        return f"not the published set of {whole:,} {title} images: {present:,}, of some parts more"
    lacking = []
    for name, count in published.items():
        if counts.get(name, 0) < count:
            lacking.append(f"{count - counts.get(name, 0):,} {name}")
    return f"{PARTIAL}{present:,} of {whole:,} {title} images; missing: {', '.join(lacking)}; the rest: {home}"


def list_arrays(
    parts: Arrays, classes: tuple[str, ...], published: Mapping[str, int], source: str, context: SourceContext
) -> Manifest:
    """Write the images of a data set that comes as arrays, once, and list them: all else reads image files.

    Args:
        parts: Images, uint8 (N, H, W) or (N, H, W, 3), and labels, (N,), of "train" and "test".
        classes: Names of the labels.
        published: The number of images in each part of the whole set.
        source: Its name: the files are ``<cache_dir>/<source>/<hash>/<part>/<class>/<number>.png``.
        context: Says the cache, and whether progress is shown.
    """
    key = hashlib.sha256(f"{source} {WRITTEN_VERSION}".encode())
    rows = []
    images: list[np.ndarray] = []
    notes = []
    for part, (images_of_part, labels) in parts.items():
        images += list(images_of_part)
        key.update(f"{part} {images_of_part.shape} ".encode() + images_of_part.tobytes() + bytes(labels.tolist()))
        for number, label in enumerate(labels):
            path = f"{part}/{classes[label]}/{number:05d}.png"
            rows.append({"image_id": path, "path": path, "label": classes[label], "part": GIVEN[part]})
        notes.append(completeness(part, {part: len(labels)}, {part: published[part]}))
    frame = manifest_frame(rows)
    folder = context.cache_dir / source / key.hexdigest()[:16]
    write_once(folder, frame["path"].tolist(), images.__getitem__, context.progress)
    return Manifest(frame, folder, classes, None, source, tuple(notes))
