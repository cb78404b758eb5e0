"""Opens every image once: size, channels, hashes, a few numbers. The facts of known files are reused."""

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd

from datamodules.io.decode import BrokenImageError, border, bounding_box, decode_image, note_lines, read_plain_file
from datamodules.io.progress import threaded
from datamodules.io.resize import resize
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.numbers import NUMBERS, picture_numbers
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path, sha256_of_value
from karyocyte.common.locks import one_at_a_time
from karyocyte.common.text import counted

PHASH_SIZE = 16  # 16 x 16 = 256 bits
_SIDE = 4 * PHASH_SIZE
# The lowest frequencies of the discrete cosine transform, none of them scaled.
_WAVES = np.cos(np.pi / 2 / _SIDE * np.outer(np.arange(PHASH_SIZE), 2 * np.arange(_SIDE) + 1))
SCAN_VERSION = 7  # raise it when the facts of an unchanged file would come out differently
_RACY_NS = 2_000_000_000
# Gray values: JPEG leaves noise of up to about 20 on black; a border above 235 is the white of a slide or of paper.
_NEAR_BLACK = 20
_NEAR_WHITE = 235

_KEY = ["path", "size", "mtime_ns", "ctime_ns"]
_FACTS = ["width", "height", "channels", "note", "sha256", "phash", *NUMBERS]
_Stamp = tuple[str, int, int, int]  # by what an unchanged file is recognised, see _KEY
_Facts = tuple[Any, ...]  # see _FACTS


def scan_listing(
    listing: Manifest, on_broken: Literal["stop", "skip"], cache_dir: Path, progress: bool = True
) -> Manifest:
    """Open every image of a source and return its manifest with what the files are.

    A file whose path, size and times are those of an earlier scan is not read again; of processes that scan one folder
    at the same time, one reads while the others wait. The facts of a file that changed within the two seconds before
    the scan are not stored: it might change once more without its time showing it.

    ``on_broken`` is "stop", or "skip" to leave broken images out and list them in the notes. Facts are stored in
    ``<cache_dir>/scan/``, also of the other images when one is broken.

    Raises:
        UserError: Two images have the same id; an image is broken and ``on_broken`` is "stop"; or a class has no
            image that can be read.
    """
    frame = listing.frame
    twice = frame[frame["image_id"].duplicated(keep=False)]
    if len(twice):
        image_id = twice["image_id"].iloc[0]
        one, other = twice.loc[twice["image_id"] == image_id, "path"].iloc[:2]
        raise UserError(f"two images have the id {image_id}: {one} and {other}: remove or rename one")
    root = str(listing.root.absolute())
    paths = (f"{root}/" + frame["path"]).tolist()  # not Paths: of tens of thousands they take a second
    key = sha256_of_value({"root": root, "version": SCAN_VERSION})
    store = Path(cache_dir) / "scan" / f"{key[:16]}.parquet"
    started_ns = time.time_ns()
    stamps = list(map(_stamp, paths))
    facts: list[_Facts | str | None] = list(map(_load(store).get, stamps))
    unread = facts.count(None)
    if unread:
        with one_at_a_time(store.with_suffix(".lock"), f"reads {counted(unread, 'image')} of {root}"):
            facts = _all_facts(store, stamps, started_ns, progress)
    return _manifest(listing, facts, on_broken)


def perceptual_hash(gray: np.ndarray, ground: float) -> str:
    """Return a perceptual hash of an image (gray values, uint8, shape (H, W)) without its black or white border.

    With the border hundreds of different chromosomes had the same hash. It has 256 bits (the signs of 16 x 16 low
    frequencies) as 64 hex digits. ``ground`` is the median of the border.
    """
    if ground > _NEAR_WHITE:
        gray = 255 - gray
    small = resize(gray[bounding_box(gray > _NEAR_BLACK)], (_SIDE, _SIDE))
    frequencies = _WAVES @ small @ _WAVES.T
    return np.packbits(frequencies > np.median(frequencies)).tobytes().hex()


def _manifest(listing: Manifest, facts: list[_Facts | str | None], on_broken: str) -> Manifest:
    frame = listing.frame
    found = pd.Series(facts, frame.index, dtype=object)
    is_broken = found.map(type).eq(str)
    skipped = tuple(frame.loc[is_broken, "path"])
    if skipped and on_broken == "stop":
        cause = found[is_broken].iloc[0]
        others = ""
        if len(skipped) > 1:
            others = f" and {counted(len(skipped) - 1, 'other')}"
        remedy = "repair or remove it, or leave broken images out with data.on_broken=skip"
        raise UserError(f"broken image {listing.root / skipped[0]} ({cause}){others}: {remedy}")
    readable = found[~is_broken].tolist()
    # As objects, so that an unknown label, subject or part is None and not a NaN.
    columns = pd.DataFrame(readable, columns=_FACTS, dtype=object)
    columns = columns.astype(dict.fromkeys(_FACTS[:3], "int64") | dict.fromkeys(NUMBERS, "float64"))
    frame = pd.concat([frame[~is_broken].reset_index(drop=True), columns], axis=1)
    # A test set that comes without any label can still be predicted.
    if listing.frame["label"].notna().any():
        labels = set(frame["label"])
        for name in listing.classes:
            if name not in labels:
                remedy = "add some, or leave it out"
                raise UserError(f"class {name} has no image that can be read in {listing.root}: {remedy}")
    notes = listing.notes + note_lines(frame.pop("note"))
    if skipped:
        causes = Counter(re.split("[:,(]", cause)[0].strip() for cause in found[is_broken])
        shown = ", ".join(f"{count:,} {cause}" for cause, count in causes.most_common(5))
        notes += (f"{counted(len(skipped), 'broken image')} skipped: {shown}",)
    return replace(listing, frame=frame, notes=notes, skipped=listing.skipped + skipped)


def _read_facts(path: str) -> _Facts | str:
    """The facts of a file; or why it cannot be read."""
    try:
        data = read_plain_file(Path(path))
        image = decode_image(data)
    except BrokenImageError as error:
        return str(error)
    height, width = image.pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    gray = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2GRAY)
    ground = float(np.median(border(gray)))
    numbers = picture_numbers(image.pixels, gray, ground, len(data))
    return width, height, image.channels, image.note, digest, perceptual_hash(gray, ground), *numbers


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 (as above)
    except (OSError, ValueError):
        return path, -1, -1, -1  # never stored: the file cannot be read either
    return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _all_facts(store: Path, stamps: Sequence[_Stamp], started_ns: int, progress: bool) -> list[_Facts | str | None]:
    """The facts of each file, or why it cannot be read. What is not stored is read and stored; the caller has the lock.

    Another process may have stored facts while this one waited for it.
    """
    known: dict[_Stamp, _Facts | str] = {**_load(store)}
    unread = [stamp for stamp in stamps if stamp not in known]
    paths = [path for path, *_ in unread]
    facts = list(threaded(_read_facts, paths, len(paths), f"reading {len(paths):,} images", progress))
    _warn_of_changes(known, dict(zip(paths, facts, strict=True)))
    known.update(zip(unread, facts, strict=True))
    _save(store, known, unread, started_ns - _RACY_NS)
    return [known[stamp] for stamp in stamps]


def _warn_of_changes(known: Mapping[_Stamp, _Facts | str], read: Mapping[str, _Facts | str]) -> None:
    """Warn of files whose content is another one than when they were read before: damage can look like a picture."""
    place = _FACTS.index("sha256")
    changed = []
    for (path, *_), facts in known.items():
        now = read.get(path, facts)
        if not isinstance(now, str) and now[place] != facts[place]:
            changed.append(path)
    if changed:
        what = f"{counted(len(changed), 'image')} changed since an earlier reading, such as {changed[0]}"
        warn(f"{what}: compare with a copy, unless that is on purpose")


def _load(store: Path) -> dict[_Stamp, _Facts]:
    if not store.is_file():
        return {}
    try:
        table = pd.read_parquet(store, columns=[*_KEY, *_FACTS], page_checksum_verification=True)
    except Exception:  # damaged bytes raise errors of many kinds
        warn(f"{store} is damaged: the files are read again")
        return {}
    stamps = table[_KEY].itertuples(index=False, name=None)
    return dict(zip(stamps, table[_FACTS].itertuples(index=False, name=None), strict=True))


def _save(store: Path, facts: Mapping[_Stamp, _Facts | str], new: Sequence[_Stamp], latest_ns: int) -> None:
    """Write the facts of all files but those of ``new`` ones that changed later; of each path the newest are kept."""
    late = {stamp for stamp in new if max(stamp[2:]) > latest_ns}
    lasting = {stamp: found for stamp, found in facts.items() if not isinstance(found, str) and stamp not in late}
    if lasting.keys().isdisjoint(new):
        return
    rows = [(*stamp, *found) for stamp, found in lasting.items()]
    table = pd.DataFrame(rows, columns=[*_KEY, *_FACTS]).drop_duplicates("path", keep="last")
    with atomic_path(store) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)
