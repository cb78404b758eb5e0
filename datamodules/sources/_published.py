"""Published data sets: downloaded by torchvision, written from arrays to files, and compared with the whole set."""

import hashlib
import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.io.written_images import write_once
from datamodules.manifest.manifest import Manifest, manifest_frame
from datamodules.sources import SourceContext
from datamodules.sources.listing import data_folder
from karyocyte.common.cli import say
from karyocyte.common.errors import UserError, first_line
from karyocyte.common.locks import one_at_a_time

GIVEN = {"train": None, "test": "test"}  # the given part of the images of the official parts
WRITTEN_VERSION = 2  # raise it when the same arrays would be written out otherwise

Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]  # images and labels of "train" and "test"


def folder_of(context: SourceContext, download: bool, find: Callable[[Path], object], data_set: str) -> Path:
    """Return the data folder; with ``download`` torchvision brings what is missing, which it checks by its MD5.

    Args:
        context: Says the folder, which is made where it is missing.
        download: As ``data.download``.
        find: Raises a UserError where the files are not in the folder.
        data_set: The class in ``torchvision.datasets``.

    Raises:
        UserError: No folder is named, or the download does not succeed.
    """
    if not download or context.data_dir is None:
        return data_folder(context)
    from torchvision import datasets

    root = Path(context.data_dir).expanduser()
    if root.is_file() or root.suffix.lower() == ".zip":
        raise UserError(f"data.download=true needs a folder, not data_dir={root}: name one, or data.download=false")
    try:
        with one_at_a_time(root / ".download.lock", f"downloads {data_set} to {root}"):
            try:
                find(root)
            except UserError:  # says what is missing: it is downloaded
                say(f"downloading {data_set}", str(root))
                getattr(datasets, data_set)(str(root), download=True)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"the download of {data_set} failed ({cause}): bring its files to {root} by hand") from error
    return root


def read_arrays(data_set: str, root: Path, files: str) -> Arrays:
    """Return images, uint8 (N, H, W) or (N, H, W, 3), and labels, (N,), of a data set, as torchvision reads its files.

    Raises:
        UserError: One of the ``files`` is missing, or damaged.
    """
    from torchvision import datasets

    try:
        loaded = {part: getattr(datasets, data_set)(str(root), train=part == "train") for part in GIVEN}
    except Exception as error:  # damaged bytes raise errors of many kinds
        problem = f"no {data_set} in {root} ({first_line(error)})"
        raise UserError(f"{problem}: bring {files}, or set data.download=true") from error
    return {part: (np.asarray(each.data), np.asarray(each.targets)) for part, each in loaded.items()}


@dataclass
class Notes:
    """What is said of the parts of a set, and those of it that say that a part is not as it was published."""

    all: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()

    def compare(self, title: str, counts: Mapping[str, int], published: Mapping[str, int]) -> None:
        """Compare a part with the published numbers of images, by class or the like."""
        present = sum(counts.values())
        whole = sum(published.values())
        if dict(counts) == dict(published):
            self.all += (f"complete: {whole:,} {title} images",)
            return
        kind = "partial"
        details = []
        for key in dict.fromkeys([*published, *counts]):
            count, most = counts.get(key, 0), published.get(key, 0)
            if count > most:
                kind = "not the published set"
            name, _, label = key.partition(" ")
            details.append(f"{name} {count:,}/{most:,} {label}".strip())
        note = f"{kind}: {present:,} of {whole:,} {title} images"
        if list(published) != [title]:
            note += f" ({', '.join(details)})"
        self.all += (note,)
        self.incomplete += (note,)


def list_arrays(
    parts: Arrays, classes: tuple[str, ...], published: Mapping[str, int], source: str, context: SourceContext
) -> Manifest:
    """Write the images of a data set that comes as arrays, once, and list them: all else reads image files.

    Args:
        parts: See `read_arrays`.
        classes: Names of the labels.
        published: The number of images in each part of the whole set.
        source: Its name: the files are ``<cache_dir>/<source>/<hash>/<part>/<class>/<number>.png``.
        context: Says the cache, and whether progress is shown.
    """
    key = hashlib.sha256(f"{source} {WRITTEN_VERSION}".encode())
    rows = []
    images: list[np.ndarray] = []
    notes = Notes()
    for part, (images_of_part, labels) in parts.items():
        images += list(images_of_part)
        key.update(f"{part} {images_of_part.shape} ".encode() + images_of_part.tobytes() + bytes(labels.tolist()))
        for number, label in enumerate(labels):
            path = f"{part}/{classes[label]}/{number:05d}.png"
            rows.append({"image_id": path, "path": path, "label": classes[label], "part": GIVEN[part]})
        notes.compare(part, {part: len(labels)}, {part: published[part]})
    frame = manifest_frame(rows)
    folder = context.cache_dir / source / key.hexdigest()[:16]
    write_once(folder, frame["path"].tolist(), images.__getitem__, context.progress)
    return Manifest(frame, folder, classes, None, source, notes.all, incomplete=notes.incomplete)
