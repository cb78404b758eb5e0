"""Augmenting before the split, as some papers do: further rows of the manifest that are changed copies of its images.

Copies of one image then lie on both sides of the split. It is done under ``protocol=paper`` alone; the leak check
counts such pairs, since a copy keeps the bytes' hash of its original.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from datamodules.manifest.balancing import drawn_rows, even_out
from datamodules.manifest.manifest import Manifest
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.expansion import Expansion, Images
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import ABNORMAL, NORMAL
from karyocyte.common.text import quoted
from karyocyte.config.data import SplitConfig, TransformConfig
from karyocyte.config.schema import Config
from karyocyte.config.sources import AugmentedConfig, AugmentedKaryogramsConfig, HemAllConfig

# Makes a copy of an image (H, W, 3), that image's row, and the number of the copy, from 1.
Change = Callable[[np.ndarray, int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class ExpandedImages:
    """The images of a manifest with copies by row, uint8, shape (H, W, 3); nothing is stored twice."""

    images: Images  # the scanned ones
    origin: np.ndarray  # the scanned image that each row shows, int64, shape (N,)
    copy: np.ndarray  # 0 for an original, n for the n-th copy of an image, int64, shape (N,)
    change: Change  # makes a copy

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, row: int, /) -> np.ndarray:
        origin = int(self.origin[row])
        copy = int(self.copy[row])
        image = np.asarray(self.images[origin])
        if not copy:
            return image
        return self.change(image, origin, copy)


def expanded(manifest: Manifest, config: Config) -> Expansion:
    """Return the images of a configuration with what the paper of their source makes of them before the split.

    Raises:
        UserError: Images that are to be turned are not square; or as of the functions for the papers.
    """
    match config.data:
        case HemAllConfig(images=images):
            height, width = config.prepare.shape
            if height != width:
                message = f"prepare.size=[{height},{width}]: such images cannot be turned by 90 degrees"
                raise UserError(f"{message}, as protocol=paper does here: give one number")
            return turn_and_subsample(manifest, images, config.transform, config.split)
        case AugmentedKaryogramsConfig(augmented=augmented):
            return copy_karyograms(manifest, augmented, config.transform, config.split)
    return Expansion(manifest, config.transform)


def _rows_by_class(manifest: Manifest) -> dict[str, np.ndarray]:
    """The rows of each class that folds are made of, by id, so that a draw does not depend on the order of a folder."""
    frame = manifest.frame.sort_values("image_id", kind="stable")
    frame = frame[frame["part"].fillna("fold").str.startswith("fold")]
    return {name: frame.index[frame["label"] == name].to_numpy() for name in manifest.classes}


def turn_and_subsample(
    manifest: Manifest, most: int | None, transform: TransformConfig, split: SplitConfig
) -> Expansion:
    """Paper 003, section 2: HEM gets copies turned by 90 degrees and ALL is subsampled, to ``most`` images in all.

    A copy has the path, label, subject and bytes' hash of its original and its own ``image_id``,
    ``<image_id>_turned90``. Images without a label, or of a part with a test of its own, stay as they are.

    Raises:
        UserError: ``most`` is too small.
    """
    rng = np.random.default_rng([split.seed, split.fold])
    rows = _rows_by_class(manifest)
    smaller, larger = sorted(manifest.classes, key=lambda name: len(rows[name]))
    copies, kept = even_out(len(rows[smaller]), len(rows[larger]), most)
    turned = drawn_rows(rows[smaller], copies, rng)
    left_out = np.setdiff1d(rows[larger], drawn_rows(rows[larger], kept, rng))
    changes = f"{copies:,} copies of {smaller} turned by 90 degrees, {len(left_out):,} {larger} left out"
    warning = f"augmented BEFORE the split, as paper 003: {changes}"
    if copies:
        warning += "; copies of one cell lie in several parts"
    expanded, places = _with_copies(manifest, left_out, turned, np.ones_like(turned), "_turned90")
    images = partial(ExpandedImages, **places, change=_quarter_turn)
    return Expansion(expanded, transform, images, (warning,), is_balanced=True)


def copy_karyograms(
    manifest: Manifest, augmented: AugmentedConfig, transform: TransformConfig, split: SplitConfig
) -> Expansion:
    """Paper 001, section 3.1.2: of each class there come to be ``augmented.<class>`` times as many images (rounded).

    The copies, dealt evenly over the originals and called ``<image_id>_copy1``, are changed in brightness, blurred and
    speckled as ``transform`` says: what a copy looks like depends on ``split.seed``, the original's row and the copy's
    number alone. Images that are neither normal nor abnormal stay as they are.

    Raises:
        UserError: ``transform`` would leave the copies unchanged.
    """
    rng = np.random.default_rng([split.seed, split.fold])
    rows = _rows_by_class(manifest)
    copied = np.zeros(0, np.int64)
    number = np.zeros(0, np.int64)
    counts = []
    for name, times in ((NORMAL, augmented.normal), (ABNORMAL, augmented.abnormal)):
        of_class = rows.get(name, copied[:0])
        copies = round(len(of_class) * times) - len(of_class)
        # Dealt evenly: no row has two copies more than another.
        rounds, rest = divmod(copies, max(len(of_class), 1))
        copied = np.concatenate([copied, np.tile(of_class, rounds), drawn_rows(of_class, rest, rng)])
        numbers = np.repeat(np.arange(1, rounds + 1), len(of_class))
        number = np.concatenate([number, numbers, np.full(rest, rounds + 1)])
        counts.append(f"{len(of_class):,} {quoted(name)} became {len(of_class) + copies:,}")
    if not len(copied):
        return Expansion(manifest, transform)  # the paper's experiments without augmentation (section 4.1)
    light = {"brightness": transform.brightness, "noise": transform.noise, "blur": transform.blur}
    if not any(light.values()):
        raise UserError(
            "protocol=paper copies karyograms before the split, and nothing would change the copies: set "
            "transform.brightness, noise or blur (transform=karyograms), or data.augmented.normal=1 and abnormal=1"
        )
    leak = "copies of one karyogram lie in several parts"
    warning = f"augmented BEFORE the split, as paper 001: {', '.join(counts)}; {leak}"
    relight = Augmentation(TransformConfig.model_validate(light), split.seed)
    suffixes = [f"_copy{copy}" for copy in number]
    expanded, places = _with_copies(manifest, copied[:0], copied, number, suffixes)
    remaining = transform.model_copy(update=dict.fromkeys(light, 0.0))
    change = partial(_in_first_epoch, relight)
    return Expansion(expanded, remaining, partial(ExpandedImages, **places, change=change), (warning,))


def _in_first_epoch(relight: Augmentation, image: np.ndarray, row: int, number: int) -> np.ndarray:
    """Return a copy of an image, the same in every epoch."""
    return relight(image, 0, row, number)


def _with_copies(
    manifest: Manifest, left_out: np.ndarray, copied: np.ndarray, copy: np.ndarray, suffixes: str | list[str]
) -> tuple[Manifest, dict[str, np.ndarray]]:
    """The manifest without some rows and with copies of others, and its ``origin`` and ``copy`` (`ExpandedImages`)."""
    frame = manifest.frame
    kept = np.setdiff1d(np.arange(len(frame)), left_out)
    copies = frame.iloc[copied]
    names = copies["image_id"] + suffixes
    expanded = pd.concat([frame.iloc[kept], copies.assign(image_id=names)], ignore_index=True)
    places = {"origin": np.concatenate([kept, copied]), "copy": np.concatenate([np.zeros_like(kept), copy])}
    return replace(manifest, frame=expanded), places


def _quarter_turn(image: np.ndarray, row: int, copy: int) -> np.ndarray:
    """Turn counter-clockwise by 90 degrees (paper 003, section 2)."""
    return np.rot90(image)
