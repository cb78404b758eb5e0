"""One way to let torchvision download a data set: a failure becomes one line that says what to bring."""

import http.client
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from common.errors import UserError
from datamodules.sources._files import require_data_dir

TIMEOUT_SECONDS = 30.0  # torchvision sets none, and would wait for ever on a network that answers nothing
Found = TypeVar("Found")


def download(data_dir: str | None, find: Callable[[Path], Found], fetch: Callable[[Path], object], what: str) -> Path:
    """Return the data folder, after downloading into it what is not there yet.

    Args:
        data_dir: The folder; it is made where it is missing, and then removed if the download fails.
        find: Raises a UserError where the files are not in the folder.
        fetch: Downloads into the folder.
        what: The data set, and the files to bring by hand where the download fails.

    Raises:
        UserError: No folder is named, or the download does not succeed.
    """
    root = Path(data_dir).expanduser() if data_dir else require_data_dir(data_dir)
    made = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    try:
        find(root)
    except UserError:
        try:
            _fetch(root, fetch, what)
            find(root)
        except UserError:
            if made:
                shutil.rmtree(root, ignore_errors=True)
            raise
    return root


def _fetch(root: Path, fetch: Callable[[Path], object], what: str) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        fetch(root)
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"the download failed ({cause}): bring {what} to {root} by hand") from error
    finally:
        socket.setdefaulttimeout(before)


def completeness(counts: dict[str, int], published: dict[str, int]) -> tuple[str, ...]:
    """Return a sentence for each part of a data set: complete, or how much of it there is.

    Args:
        counts: How many images each part has here.
        published: How many each part has in the whole set.
    """
    sentences = []
    for part, whole in published.items():
        count = counts.get(part, 0)
        if count == whole:
            sentences.append(f"complete: {whole:,} {part} images")
        else:
            kind = "partial" if count < whole else "not the published set"
            sentences.append(f"{kind}: {count:,} of {whole:,} {part} images")
    return tuple(sentences)


def is_incomplete(note: str) -> bool:
    """Tell whether a source's note says that something of the published set is missing, or does not belong to it."""
    return note.startswith(("partial:", "not the published set:"))
