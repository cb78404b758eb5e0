"""The parts whose growth is measured: each is given a number of images and returns seconds of the processor."""

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from common.config.data import SplitConfig
from datamodules.manifest.leakage import check_leaks, near_pairs
from datamodules.manifest.manifest import Manifest, listed
from datamodules.manifest.scan import scan_listing
from datamodules.manifest.splits import split

RACY_SECONDS = 2.1  # files that are younger are read again
BITS = 32  # split.near_duplicate_bits
COPIES = 0.02  # share of the images that are near-duplicates of others


def first_scan(count: int, folder: Path) -> float:
    """Scan new files."""
    return _scan(count, folder, known=False)


def later_scan(count: int, folder: Path) -> float:
    """Scan files whose facts are known."""
    return _scan(count, folder, known=True)


def leak_check(count: int, folder: Path) -> float:
    """Look for subjects and files in two parts."""
    manifest = _manifest(count)
    settings = SplitConfig(near_duplicates="off")
    parts = split(manifest, "image", settings, None)
    return _seconds(lambda: check_leaks(manifest, parts, "image", settings))


def near_search(count: int, folder: Path) -> float:
    """Search for near-duplicates in other parts."""
    frame = _manifest(count).frame
    part = np.random.default_rng(1).choice(["train", "validation", "test"], count, p=[0.6, 0.2, 0.2])
    used = frame.assign(part=part)
    return _seconds(lambda: near_pairs(used, BITS))


PARTS: dict[str, Callable[[int, Path], float]] = {
    "first scan": first_scan,
    "later scan": later_scan,
    "leak check": leak_check,
    "near-duplicate search": near_search,
}


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _scan(count: int, folder: Path, known: bool) -> float:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        place = folder / "data" / f"{number // 1000}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), rng.integers(0, 256, (16, 16), np.uint8))
        name = place.relative_to(folder / "data").as_posix()
        rows.append({"image_id": name, "path": name, "label": "ab"[number % 2]})
    listing = Manifest(listed(rows), folder / "data", ("a", "b"), "b", "folder")
    if known:
        time.sleep(RACY_SECONDS)
        scan_listing(listing, "stop", folder / "cache", False)
    return _seconds(lambda: scan_listing(listing, "stop", folder / "cache", False))


def _manifest(count: int) -> Manifest:
    """Images that are nowhere, with random hashes, of which some are near others."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (count, 32), np.uint8)
    copies = int(COPIES * count)
    hashes[:copies] = hashes[copies : 2 * copies]
    hashes[np.arange(copies), rng.integers(0, 32, copies)] ^= rng.integers(1, 256, copies, np.uint8)
    names = pd.Series(np.arange(count)).astype(str)
    labels = np.where(rng.random(count) < 0.5, "a", "b")
    frame = listed(pd.DataFrame({"image_id": names, "path": names, "label": labels, "subject": names}))
    frame = frame.assign(sha256=names.astype(object), phash=[row.tobytes().hex() for row in hashes])
    return Manifest(frame, Path("/nowhere"), ("a", "b"), "b", "folder")
