"""Augmenting before the split, as some papers do: further rows of the manifest that are changed copies of its images.

Copies of one image then lie on both sides of the split. It is done under ``protocol=paper`` alone; the leak check
counts such pairs, since a copy keeps the bytes' hash of its original.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from common.errors import UserError
from common.schema import DataConfig, HemAllConfig, SplitConfig
from datamodules.balancing import draw, even_out
from datamodules.manifest import Manifest


class ExpandedImages:
    """The images of an expanded manifest: those of the scanned one, turned where a row is a turned copy.

    Args:
        images: uint8, shape (M, S, S, 3): of the scanned manifest.
        origin: Which of them each row shows, int64, shape (N,).
        turns: By how many quarter turns, counter-clockwise, int64, shape (N,).
    """

    def __init__(self, images: np.ndarray, origin: np.ndarray, turns: np.ndarray) -> None:
        self.images = images
        self.origin = origin
        self.turns = turns
        self.shape = (len(origin), *images.shape[1:])

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, row: int) -> np.ndarray:
        """Return the image of one row, uint8, shape (S, S, 3)."""
        return np.rot90(self.images[self.origin[row]], self.turns[row])


@dataclass(frozen=True)
class Expansion:
    """A manifest with the changed copies of its images.

    Attributes:
        scanned: The manifest as it was, row for row what is prepared.
        manifest: The manifest with the copies, and without what was left out: what is split.
        origin: The row of ``scanned`` that each row shows, int64, shape (N,).
        turns: The quarter turns of each row, 0 to 3, int64, shape (N,).
        warning: What was done, for the user.
    """

    scanned: Manifest
    manifest: Manifest
    origin: np.ndarray
    turns: np.ndarray
    warning: str

    def serve(self, images: np.ndarray) -> ExpandedImages:
        """Return the images by the rows of ``manifest``, from those of ``scanned``; nothing is stored twice.

        Raises:
            UserError: The images are not square: a turned one would have another shape.
        """
        height, width = images.shape[1:3]
        if height != width:
            raise UserError(
                f"prepare.size=[{height},{width}]: such images cannot be turned by 90 degrees, as protocol=paper does "
                "here: give one number"
            )
        return ExpandedImages(images, self.origin, self.turns)


def expand(manifest: Manifest, data: DataConfig, protocol: str, split: SplitConfig) -> Expansion | None:
    """Augment before the split where the paper of this data set did; None where nothing is to be done.

    Paper 003, section 2: HEM gets copies turned by 90 degrees and ALL is subsampled, to ``data.images`` in all; the
    draws depend on ``split.seed`` and ``split.fold``. A copy has the path, label, subject and bytes' hash of its
    original and its own ``image_id``, ``<image_id>_turned90``. Images without a label, and those of a part with a test
    of its own, stay as they are.

    Args:
        manifest: The images.
        data: The source and its settings.
        protocol: "subject", "image" or "paper"; only "paper" expands.
        split: The seed and the fold of the draws.

    Raises:
        UserError: ``data.images`` is too small.
    """
    if protocol != "paper" or not isinstance(data, HemAllConfig):
        return None
    # By id, so that a draw does not depend on the order of a folder.
    frame = manifest.frame.sort_values("image_id", kind="stable")
    dealt = frame["label"].notna() & frame["part"].fillna("fold").str.startswith("fold")
    rows = {name: frame.index[dealt & (frame["label"] == name)].to_numpy() for name in manifest.classes}
    smaller, larger = sorted(manifest.classes, key=lambda name: len(rows[name]))
    try:
        copies, kept = even_out(len(rows[smaller]), len(rows[larger]), data.images)
    except ValueError as error:
        raise UserError(f"data.images={data.images}: {error}") from error
    rng = np.random.default_rng([split.seed, split.fold])
    turned, chosen = draw(rows[smaller], copies, rng), draw(rows[larger], kept, rng)
    left_out = np.setdiff1d(rows[larger], chosen)
    done = f"{copies:,} copies of {smaller} turned by 90 degrees, {len(left_out):,} {larger} left out"
    leak = "; copies of one cell lie in several parts" if copies else ""
    warning = f"augmented BEFORE the split, as paper 003: {done}{leak}"
    return _with_copies(manifest, np.setdiff1d(np.arange(len(frame)), left_out), turned, warning)


def _with_copies(manifest: Manifest, kept: np.ndarray, turned: np.ndarray, warning: str) -> Expansion:
    frame = manifest.frame
    copies = frame.iloc[turned]
    copies = copies.assign(image_id=copies["image_id"] + "_turned90")
    expanded = pd.concat([frame.iloc[kept], copies], ignore_index=True)
    origin = np.concatenate([kept, turned]).astype(np.int64)
    turns = np.repeat(np.array([0, 1]), [len(kept), len(turned)])
    return Expansion(manifest, replace(manifest, frame=expanded), origin, turns, warning)
