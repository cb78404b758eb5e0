"""Published data sets: downloaded by torchvision, written from arrays to files, and compared with the whole set."""

import http.client
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from common.cli import say
from common.errors import UserError
from datamodules.io.locks import one_at_a_time
from datamodules.manifest.manifest import Manifest, listed
from datamodules.sources import SourceContext
from datamodules.sources._files import require_data_dir, write_once

TIMEOUT_SECONDS = 30.0  # torchvision sets none, and would wait for ever on a network that answers nothing


def download(data_dir: str | None, find: Callable[[Path], object], data_set: str, files: str) -> Path:
    """Return the data folder, after torchvision has downloaded into it what is not there yet.

    Of several processes one downloads, and the others wait.

    Args:
        data_dir: The folder; it is made where it is missing.
        find: Raises a UserError where the files are not in the folder.
        data_set: The class in ``torchvision.datasets``.
        files: The data set, and the files to bring by hand where the download fails.

    Raises:
        UserError: No folder is named, or the download does not succeed: one line that says what to bring.
    """
    root = Path(data_dir).expanduser() if data_dir else require_data_dir(data_dir)
    root.mkdir(parents=True, exist_ok=True)
    try:
        with one_at_a_time(root / ".download.lock", f"downloads {data_set} to {root}"):
            try:
                find(root)
            except UserError:  # says what is missing: it is downloaded
                _download_whole_files(root, data_set)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # URLError, timeouts are OSErrors
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"the download failed ({cause}): bring {files} to {root} by hand") from error
    find(root)
    return root


def _download_whole_files(root: Path, data_set: str) -> None:
    """Download into a folder within ``root`` and move the files, so that a file in its place is always whole."""
    from torchvision import datasets

    beside = root / ".download"
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    say(f"downloading {data_set}", str(root))
    try:
        shutil.rmtree(beside, ignore_errors=True)  # what a killed process has left
        getattr(datasets, data_set)(str(beside), download=True)
        shutil.copytree(beside, root, copy_function=shutil.move, dirs_exist_ok=True)
    finally:
        socket.setdefaulttimeout(timeout)
        shutil.rmtree(beside, ignore_errors=True)


def list_arrays(
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    classes: tuple[str, ...],
    published: Mapping[str, int],
    folder: Path,
    context: SourceContext,
) -> Manifest:
    """Write the images of a data set that comes as arrays, once, and list them: all else reads image files.

    Args:
        parts: Images, uint8 (N, H, W) or (N, H, W, 3), and labels, (N,), of "train" and "test".
        classes: Names of the labels.
        published: The number of images in each part of the whole set.
        folder: ``<cache_dir>/<source>/<hash>``; the files in it are ``<part>/<class>/<number>.png``.
        context: Says whether progress is shown.
    """
    rows = []
    images: list[np.ndarray] = []
    for part, (images_of_part, labels) in parts.items():
        images += list(images_of_part)
        given = {"test": "test"}.get(part)
        for number, label in enumerate(labels):
            path = f"{part}/{classes[label]}/{number:05d}.png"
            rows.append({"image_id": path, "path": path, "label": classes[label], "part": given})
    frame = listed(rows)
    write_once(folder, frame["path"].tolist(), images.__getitem__, context.progress)
    notes = []
    incomplete = []
    for part, (_, labels) in parts.items():
        note, is_whole = completeness(part, {part: len(labels)}, {part: published[part]})
        notes.append(note)
        if not is_whole:
            incomplete.append(note)
    source = folder.parent.name
    return Manifest(frame, folder, classes, None, source, tuple(notes), incomplete=tuple(incomplete))


def completeness(title: str, counts: Mapping[str, int], published: Mapping[str, int]) -> tuple[str, bool]:
    """Compare a part of a data set with the published numbers of images, by class or the like.

    Returns:
        A sentence, and whether the part has exactly these numbers.
    """
    whole = sum(published.values())
    if counts == published:
        return f"complete: {whole:,} {title} images", True
    is_partial = all(count <= published.get(key, 0) for key, count in counts.items())
    kind = "not the published set"
    if is_partial:
        kind = "partial"
    return f"{kind}: {sum(counts.values()):,} of {whole:,} {title} images", False
