"""Augmenting before the split, as some papers do: further rows of the manifest that are changed copies of its images.

Copies of one image then lie on both sides of the split. It is done under ``protocol=paper`` alone; the leak check
counts such pairs, since a copy keeps the bytes' hash of its original.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from common.config.schema import (
    ComposedKaryogramsConfig,
    DataConfig,
    HemAllConfig,
    KaryogramsConfig,
    SplitConfig,
    TransformConfig,
)
from common.errors import UserError
from common.karyotype import ABNORMAL, NORMAL
from datamodules.manifest.balancing import draw, even_out
from datamodules.manifest.manifest import Manifest
from datamodules.transforms.augmentation import Augmentation

# What a copy is: the image that it is made of (H, W, 3), that image's row, and the number of the copy, from 1.
Change = Callable[[np.ndarray, int, int], np.ndarray]


class ExpandedImages:
    """The images of an expanded manifest: those of the scanned one, changed where a row is a copy.

    Args:
        images: uint8, shape (M, H, W, 3): of the scanned manifest.
        origin: Which of them each row shows, int64, shape (N,).
        copy: 0 for an original, n for the n-th copy of an image, int64, shape (N,).
        change: What makes a copy.
    """

    def __init__(self, images: np.ndarray, origin: np.ndarray, copy: np.ndarray, change: Change) -> None:
        self.images = images
        self.origin = origin
        self.copy = copy
        self.change = change
        self.shape = (len(origin), *images.shape[1:])

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, row: int) -> np.ndarray:
        """Return the image of one row, uint8, shape (H, W, 3)."""
        origin = int(self.origin[row])
        copy = int(self.copy[row])
        image = self.images[origin]
        if copy:
            return self.change(image, origin, copy)
        return image


@dataclass(frozen=True)
class Expansion:
    """A manifest with the changed copies of its images.

    Attributes:
        scanned: The manifest as it was, row for row what is prepared.
        manifest: The manifest with the copies, and without what was left out: what is split.
        origin: The row of ``scanned`` that each row shows, int64, shape (N,).
        copy: 0 for an original, n for the n-th copy of an image, int64, shape (N,).
        change: What makes a copy.
        transform: What is left to be done at training.
        warning: What was done, for the user.
    """

    scanned: Manifest
    manifest: Manifest
    origin: np.ndarray
    copy: np.ndarray
    change: Change
    transform: TransformConfig
    warning: str

    def serve(self, images: np.ndarray) -> ExpandedImages:
        """Return the images by the rows of ``manifest``, from those of ``scanned``; nothing is stored twice.

        Raises:
            UserError: The images are to be turned and are not square: a turned one would have another shape.
        """
        height, width = images.shape[1:3]
        if self.change is _quarter_turn and height != width:
            raise UserError(
                f"prepare.size=[{height},{width}]: such images cannot be turned by 90 degrees, as protocol=paper does "
                "here: give one number"
            )
        return ExpandedImages(images, self.origin, self.copy, self.change)


def expand(
    manifest: Manifest, data: DataConfig, protocol: str, split: SplitConfig, transform: TransformConfig
) -> Expansion | None:
    """Augment before the split where the paper of this data set did; None where nothing is to be done.

    Paper 003, section 2: HEM gets copies turned by 90 degrees and ALL is subsampled, to ``data.images`` in all. Paper
    001, section 3.1.2: of each class there come to be ``data.augmented.<class>`` times as many karyograms (rounded);
    the copies, dealt evenly over the originals, are changed in brightness, blurred and speckled as ``transform`` says.
    What a copy looks like depends on ``split.seed``, the original's row and the copy's number alone.

    The draws depend on ``split.seed`` and ``split.fold``. A copy has the path, label, subject and bytes' hash of its
    original and its own ``image_id``: ``<image_id>_turned90``, ``<image_id>_copy1``. Images without a label, of a part
    with a test of its own, and karyograms that are neither normal nor abnormal, stay as they are.

    Args:
        manifest: The images.
        data: The source and its settings.
        protocol: "subject", "image" or "paper"; only "paper" expands.
        split: The seed and the fold of the draws.
        transform: The random transforms.

    Raises:
        UserError: ``data.images`` is too small; or ``transform`` would leave the copies of karyograms unchanged.
    """
    if protocol != "paper":
        return None
    # By id, so that a draw does not depend on the order of a folder.
    frame = manifest.frame.sort_values("image_id", kind="stable")
    dealt = frame["label"].notna() & frame["part"].fillna("fold").str.startswith("fold")
    rows = {name: frame.index[dealt & (frame["label"] == name)].to_numpy() for name in manifest.classes}
    rng = np.random.default_rng([split.seed, split.fold])
    match data:
        case HemAllConfig():
            return _turn_and_subsample(manifest, rows, data, transform, rng)
        case KaryogramsConfig() | ComposedKaryogramsConfig():
            return _copy_karyograms(manifest, rows, data, transform, split.seed, rng)
    return None


def _turn_and_subsample(
    manifest: Manifest,
    rows: dict[str, np.ndarray],
    data: HemAllConfig,
    transform: TransformConfig,
    rng: np.random.Generator,
) -> Expansion:
    """Paper 003, section 2."""
    smaller, larger = sorted(manifest.classes, key=lambda name: len(rows[name]))
    try:
        copies, kept = even_out(len(rows[smaller]), len(rows[larger]), data.images)
    except ValueError as error:
        raise UserError(f"data.images={data.images}: {error}") from error
    turned = draw(rows[smaller], copies, rng)
    chosen = draw(rows[larger], kept, rng)
    left_out = np.setdiff1d(rows[larger], chosen)
    done = f"{copies:,} copies of {smaller} turned by 90 degrees, {len(left_out):,} {larger} left out"
    if copies:
        leak = "; copies of one cell lie in several parts"
    else:
        leak = ""
    warning = f"augmented BEFORE the split, as paper 003: {done}{leak}"
    expanded, origin, copy = _with_copies(manifest, left_out, turned, np.ones_like(turned), "_turned90")
    return Expansion(manifest, expanded, origin, copy, _quarter_turn, transform, warning)


def _copy_karyograms(
    manifest: Manifest,
    rows: dict[str, np.ndarray],
    data: KaryogramsConfig | ComposedKaryogramsConfig,
    transform: TransformConfig,
    seed: int,
    rng: np.random.Generator,
) -> Expansion | None:
    """Paper 001, section 3.1.2."""
    originals = []
    number = []
    done = []
    for name, times in ((NORMAL, data.augmented.normal), (ABNORMAL, data.augmented.abnormal)):
        of_class = rows.get(name, np.zeros(0, np.int64))
        dealt = _deal_evenly(of_class, round(len(of_class) * times) - len(of_class), rng)
        originals.append(dealt[0])
        number.append(dealt[1])
        done.append(f"{len(of_class):,} {name} became {len(of_class) + len(dealt[0]):,}")
    copied = np.concatenate(originals)
    copy = np.concatenate(number)
    if not len(copied):
        return None  # the paper's experiments without augmentation (section 4.1)
    done_before = {"brightness": transform.brightness, "noise": transform.noise, "blur": transform.blur}
    if not any(done_before.values()):
        raise UserError(
            "protocol=paper copies karyograms before the split, and nothing would change the copies: set "
            "transform.brightness, noise or blur (transform=karyograms), or data.augmented.normal=1 and abnormal=1"
        )
    warning = (
        f"augmented BEFORE the split, as paper 001: {', '.join(done)}; copies of one karyogram lie in several parts"
    )
    change = _Relighting(TransformConfig(**done_before), seed)
    left = transform.model_copy(update=dict.fromkeys(done_before, 0.0))
    return Expansion(manifest, *_with_copies(manifest, np.zeros(0, np.int64), copied, copy), change, left, warning)


def _deal_evenly(rows: np.ndarray, copies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The row of each copy, and the copy's number, from 1; no row has two copies more than another."""
    rounds, rest = divmod(copies, len(rows)) if len(rows) else (0, 0)
    dealt = np.concatenate([np.tile(rows, rounds), draw(rows, rest, rng)])
    return dealt, 1 + np.concatenate([np.repeat(np.arange(rounds), len(rows)), np.full(rest, rounds)]).astype(np.int64)


def _with_copies(
    manifest: Manifest, left_out: np.ndarray, copied: np.ndarray, copy: np.ndarray, suffix: str | None = None
) -> tuple[Manifest, np.ndarray, np.ndarray]:
    """The manifest without some rows and with copies of others, the row that each shows, and the number of the copy."""
    frame = manifest.frame
    kept = np.setdiff1d(np.arange(len(frame)), left_out)
    copies = frame.iloc[copied]
    suffixes = [suffix or f"_copy{number}" for number in copy]
    ids = [image_id + end for image_id, end in zip(copies["image_id"], suffixes, strict=True)]
    expanded = pd.concat([frame.iloc[kept], copies.assign(image_id=ids)], ignore_index=True)
    origin = np.concatenate([kept, copied]).astype(np.int64)
    number = np.concatenate([np.zeros(len(kept), np.int64), copy]).astype(np.int64)
    places = _places_with_copies(manifest.places, dict(zip(ids, copies["image_id"], strict=True)))
    return replace(manifest, frame=expanded, places=places), origin, number


def _places_with_copies(places: pd.DataFrame | None, originals: dict[str, str]) -> pd.DataFrame | None:
    """The places of all images, those of a copy being its original's."""
    if places is None:
        return None
    names = pd.DataFrame({"image_id": list(originals.values()), "copy": list(originals)})
    of_copies = names.merge(places, on="image_id").drop(columns="image_id").rename(columns={"copy": "image_id"})
    return pd.concat([places, of_copies[places.columns]], ignore_index=True)


def _quarter_turn(image: np.ndarray, row: int, copy: int) -> np.ndarray:
    """Turn counter-clockwise by 90 degrees (paper 003, section 2)."""
    return np.rot90(image)


class _Relighting:
    """Other light, blur and specks: a pure function of (seed, row, copy), the same in every epoch."""

    def __init__(self, transform: TransformConfig, seed: int) -> None:
        self._augmentation = Augmentation(transform, seed)

    def __call__(self, image: np.ndarray, row: int, copy: int) -> np.ndarray:
        return self._augmentation(np.asarray(image), 0, row, copy)
