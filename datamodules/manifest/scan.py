"""Opens every image once: size, channels, hash of the bytes, perceptual hash. What is known of a file is remembered."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import imagehash
import numpy as np
import pandas as pd
import pyarrow as pa
from filelock import FileLock
from PIL import Image

from common.errors import UserError
from common.files import atomic_path, sha256_of_value
from datamodules.io.decode import BrokenImageError, crop_to_content, decode_image
from datamodules.io.progress import threaded
from datamodules.manifest.manifest import Listing, Manifest, Record

PHASH_SIZE = 16  # 16 x 16 = 256 bits
SCAN_VERSION = 2  # raise it when the facts of an unchanged file would come out differently
_RACY_NS = 2_000_000_000
# Gray values: JPEG leaves noise of up to about 20 on black; a border above 235 is the white of a slide or of paper.
_NEAR_BLACK = 20
_NEAR_WHITE = 235

_KEY = ["path", "size", "mtime_ns", "ctime_ns"]
_FACTS = ["width", "height", "channels", "sha256", "phash"]


class _Stamp(NamedTuple):
    """By what a file is known again without being read."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int


class _Facts(NamedTuple):
    width: int
    height: int
    channels: int
    sha256: str
    phash: str


class _Broken(NamedTuple):
    cause: str


def scan_listing(
    listing: Listing, on_broken: Literal["stop", "skip"], cache_dir: Path, progress: bool = True
) -> Manifest:
    """Open every image of a listing and return the manifest.

    A file whose path, size and times are those of an earlier scan is not read again. Nothing is remembered of a
    file that changed within the two seconds before it was looked at: it might change once more without its
    time showing it.

    Args:
        listing: What the source found.
        on_broken: "stop", or "skip" to leave broken images out and list them in the notes.
        cache_dir: Where facts are remembered, in ``scan/``; untouched when an error is raised.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: Two images have the same id; an image is broken and ``on_broken`` is "stop"; or a class has no
            image that can be read.
    """
    _check_unique(listing.records)
    memory = _memory_file(cache_dir, listing.root)
    remembered = _recall(memory)
    started_ns = time.time_ns()
    stamps = [_stamp(listing.root / record.path) for record in listing.records]
    found = [remembered.get(stamp) if stamp else _Broken("cannot be read") for stamp in stamps]
    unknown = [row for row, facts in enumerate(found) if facts is None]
    paths = [listing.root / listing.records[row].path for row in unknown]
    fresh = threaded(_read_facts, paths, len(paths), f"reading {len(paths):,} images", progress)
    for row, facts in zip(unknown, fresh, strict=True):
        found[row] = facts
    skipped = _handle_broken(listing, found, on_broken)
    manifest = _manifest(listing, found, skipped)
    new = {}
    for row in unknown:
        stamp = stamps[row]
        known = found[row]
        if stamp is not None and isinstance(known, _Facts) and not _is_racy(stamp, started_ns):
            new[stamp] = known
    _remember(memory, new)
    return manifest


def perceptual_hash(pixels: np.ndarray) -> str:
    """Return a perceptual hash of what an image shows, without its black or white border.

    With the border, the hashes of small things on a plain ground say little but where they lie: hundreds of different
    chromosomes had the same one.

    Args:
        pixels: uint8 RGB, shape (H, W, 3).

    Returns:
        256 bits (the signs of 16 x 16 low frequencies) as 64 hex digits.
    """
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    on_black = 255 - pixels if np.median(edge) > _NEAR_WHITE else pixels
    shown = crop_to_content(on_black, _NEAR_BLACK)
    return str(imagehash.phash(Image.fromarray(shown), hash_size=PHASH_SIZE))


def _read_facts(path: Path) -> _Facts | _Broken:
    try:
        data = path.read_bytes()
        pixels, channels = decode_image(data)
    except OSError as error:
        return _Broken(f"cannot be read ({error.strerror})")
    except BrokenImageError as error:
        return _Broken(str(error))
    height, width = pixels.shape[:2]
    return _Facts(width, height, channels, hashlib.sha256(data).hexdigest(), perceptual_hash(pixels))


def _handle_broken(listing: Listing, found: Sequence[_Facts | _Broken | None], on_broken: str) -> tuple[str, ...]:
    """Return the paths of broken images."""
    pairs = zip(listing.records, found, strict=True)
    broken = [(record.path, facts) for record, facts in pairs if isinstance(facts, _Broken)]
    if not broken:
        return ()
    if on_broken == "stop":
        path, facts = broken[0]
        if len(broken) > 1:
            others = f" and {len(broken) - 1:,} other{'s' * (len(broken) > 2)}"
        else:
            others = ""
        remedy = "repair or remove it, or leave broken images out with data.on_broken=skip"
        raise UserError(f"broken image {listing.root / path} ({facts.cause}){others}: {remedy}")
    return tuple(path for path, _ in broken)


def _manifest(listing: Listing, found: Sequence[_Facts | _Broken | None], skipped: tuple[str, ...]) -> Manifest:
    pairs = zip(listing.records, found, strict=True)
    rows = [(*record, *facts) for record, facts in pairs if isinstance(facts, _Facts)]
    table = list(zip(*rows, strict=True)) or [()] * (len(Record._fields) + len(_FACTS))
    columns = dict(zip((*Record._fields, *_FACTS), table, strict=True))
    # As objects, so that an unknown label, subject or part is None and not a NaN.
    frame = pd.DataFrame({name: pd.Series(values, dtype=_dtype(name)) for name, values in columns.items()})
    present = set(frame["label"])
    # A test set that comes without any label can still be predicted.
    labelled = any(record.label is not None for record in listing.records)
    for name in listing.classes if labelled else ():
        if name not in present:
            raise UserError(f"class {name} has no image that can be read in {listing.root}: add some, or leave it out")
    facts = (listing.root, listing.classes, listing.positive_class, listing.source, listing.synthetic)
    notes = listing.notes
    if skipped:
        notes += (f"{len(skipped):,} broken image{'s' * (len(skipped) > 1)} skipped",)
    return Manifest(frame, *facts, notes=notes, skipped=listing.skipped + skipped, places=listing.places)


def _dtype(column: str) -> str:
    if column in ("width", "height", "channels"):
        return "int64"
    return "object"


def _check_unique(records: Sequence[Record]) -> None:
    seen: dict[str, str] = {}
    for record in records:
        if record.image_id in seen:
            both = f"{seen[record.image_id]} and {record.path}"
            raise UserError(f"two images have the id {record.image_id}: {both}: remove or rename one")
        seen[record.image_id] = record.path


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return _Stamp(str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_racy(stamp: _Stamp, started_ns: int) -> bool:
    return max(stamp.mtime_ns, stamp.ctime_ns) > started_ns - _RACY_NS


def _memory_file(cache_dir: Path, root: Path) -> Path:
    key = sha256_of_value({"root": str(root.absolute()), "version": SCAN_VERSION, "imagehash": imagehash.__version__})
    return Path(cache_dir) / "scan" / f"{key[:16]}.parquet"


def _recall(memory: Path) -> dict[_Stamp, _Facts]:
    if not memory.is_file():
        return {}
    try:
        table = pd.read_parquet(memory)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{memory} is damaged ({str(error).splitlines()[0]}): remove it") from error
    stamps = table[_KEY].itertuples(index=False, name=None)
    facts = table[_FACTS].itertuples(index=False, name=None)
    return {_Stamp(*stamp): _Facts(*fact) for stamp, fact in zip(stamps, facts, strict=True)}


def _remember(memory: Path, new: dict[_Stamp, _Facts]) -> None:
    if not new:
        return
    memory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(memory.with_suffix(".lock")):
        # Another process may have added to it meanwhile; of each path the newest facts are kept.
        by_path = {stamp.path: (*stamp, *facts) for stamp, facts in (_recall(memory) | new).items()}
        with atomic_path(memory) as temporary:
            pd.DataFrame(list(by_path.values()), columns=[*_KEY, *_FACTS]).to_parquet(temporary, index=False)
