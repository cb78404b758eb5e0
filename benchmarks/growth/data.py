"""The parts that find and check images: scan, leak check, search for near-duplicates."""

import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.growth.part import Part, Work
from common.config.data import SplitConfig
from datamodules.manifest.leakage import check_leaks, near_pairs
from datamodules.manifest.manifest import Manifest, listed
from datamodules.manifest.scan import scan_listing
from datamodules.manifest.splits import split

RACY_SECONDS = 2.1  # files that are younger are read again
BITS = 32  # split.near_duplicate_bits
COPIES = 0.02  # share of the images that are near-duplicates of others
IMAGES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000)
FILES = IMAGES[:4]  # they are written before each scan, which takes as long


def first_scan(images: int, folder: Path) -> Work:
    """Scan new files."""
    listing = _write_images(images, folder / "data")
    return lambda: len(scan_listing(listing, "stop", folder / "cache", False).frame)


def later_scan(images: int, folder: Path) -> Work:
    """Scan files whose facts are known."""
    listing = _write_images(images, folder / "data")
    time.sleep(RACY_SECONDS)
    scan_listing(listing, "stop", folder / "cache", False)
    return lambda: len(scan_listing(listing, "stop", folder / "cache", False).frame)


def leak_check(images: int, folder: Path) -> Work:
    """Look for subjects and files in two parts."""
    manifest = _manifest(images)
    settings = SplitConfig(near_duplicates="off")
    parts = split(manifest, "image", settings, None)

    def work() -> int:
        check_leaks(manifest, parts, "image", settings)
        return int(parts.notna().sum())

    return work


def near_search(images: int, folder: Path) -> Work:
    """Search for near-duplicates in other parts."""
    frame = _manifest(images).frame
    part = np.random.default_rng(1).choice(["train", "validation", "test"], images, p=[0.6, 0.2, 0.2])
    used = frame.assign(part=part)

    def work() -> int:
        near_pairs(used, BITS)
        return len(used)

    return work


PARTS = (
    Part("first scan", "images", FILES, first_scan),
    Part("later scan", "images", FILES, later_scan),
    Part("leak check", "images", IMAGES, leak_check),
    Part("near-duplicate search", "images", IMAGES, near_search),
)


def _write_images(images: int, folder: Path) -> Manifest:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(images):
        name = f"{number // 1000}/{number}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (16, 16), np.uint8))
        rows.append({"image_id": name, "path": name, "label": "ab"[number % 2]})
    return Manifest(listed(rows), folder, ("a", "b"), "b", "folder")


def _manifest(images: int) -> Manifest:
    """Images that are nowhere, with random hashes, of which some are near others."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (images, 32), np.uint8)
    copies = int(COPIES * images)
    hashes[:copies] = hashes[copies : 2 * copies]
    hashes[np.arange(copies), rng.integers(0, 32, copies)] ^= rng.integers(1, 256, copies, np.uint8)
    names = pd.Series(np.arange(images)).astype(str)
    labels = np.where(rng.random(images) < 0.5, "a", "b")
    frame = listed(pd.DataFrame({"image_id": names, "path": names, "label": labels, "subject": names}))
    frame = frame.assign(sha256=names.astype(object), phash=[row.tobytes().hex() for row in hashes])
    return Manifest(frame, Path("/nowhere"), ("a", "b"), "b", "folder")
