"""Names that lead back to nobody: subjects are S001, S002, ..., and their images S001-01, S001-02, ..."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

SEED = 0


@dataclass(frozen=True)
class Names:
    """What images and subjects are called on a page.

    Attributes:
        images: By image_id.
        subjects: By subject.
        real: Whether they are the true ones.
    """

    images: dict[str, str]
    subjects: dict[str, str]
    real: bool

    def key(self) -> pd.DataFrame:
        """Return what leads back: ``shown``, ``image_id``; to be kept where the images are."""
        rows = sorted((shown, image_id) for image_id, shown in self.images.items())
        return pd.DataFrame(rows, columns=["shown", "image_id"])


def name_all(frame: pd.DataFrame, real: bool) -> Names:
    """Name images and their subjects.

    Numbers are given in the order of a shuffle whose seed is fixed: the same images have the same names in every
    report of theirs, and sorting by a name says nothing of the true one. A file's name often holds the subject's, and
    sometimes a person's: so images are always renamed, those of no known subject to I0001, I0002, ...

    Args:
        frame: ``image_id`` and ``subject`` (None where unknown) of all images, each once.
        real: Leave all names as they are.
    """
    rows = frame[["image_id", "subject"]].sort_values("image_id", ignore_index=True)
    if real:
        known = rows["subject"].dropna()
        return Names({name: name for name in rows["image_id"]}, {name: name for name in known}, real=True)
    rows = rows.iloc[np.random.default_rng(SEED).permutation(len(rows))]
    known = rows["subject"].notna()
    order = rows["subject"][known].drop_duplicates()
    digits = max(3, len(str(len(order))))
    subjects = {name: f"S{place:0{digits}d}" for place, name in enumerate(order, 1)}
    if known.any():
        most = rows["subject"].value_counts().max()
    else:
        most = 0
    wide = max(2, len(str(most)))
    alone = max(4, len(str(int((~known).sum()))))
    seen: Counter[str] = Counter()
    images = {}
    for image_id, subject in zip(rows["image_id"], rows["subject"].where(known, None), strict=True):
        prefix = subjects.get(subject, "")
        seen[prefix] += 1
        images[image_id] = f"{prefix}-{seen[prefix]:0{wide}d}" if prefix else f"I{seen[prefix]:0{alone}d}"
    return Names(images, subjects, real=False)
