"""What a data set holds, as the tables of the papers show it (paper 002, table 1)."""

import pandas as pd

from datamodules.manifest.manifest import Manifest
from datamodules.manifest.splits import PARTS, UNUSED


def overview(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return paper 002's table 1 for one data set: a row with the numbers of images, their sizes and channels, as text.

    There are train, validation and test (and unused, where any is) where there are ``parts`` (of `splits.split`). The
    size is width x height in pixels: the least of each "to" the largest of each.
    """
    frame = manifest.frame
    row = {"data": manifest.source, "images": f"{len(frame):,}"}
    row |= {part: f"{members.sum():,}" for part, members in _members(parts).items()}
    width = frame["width"]
    height = frame["height"]
    sizes = [f"{width.min()} x {height.min()}", f"{width.max()} x {height.max()}"]
    row["size"] = " to ".join(dict.fromkeys(sizes))
    row["channels"] = ", ".join(map(str, sorted(frame["channels"].unique())))
    return pd.DataFrame([row])


def class_counts(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return how many images of each class there are in all and in each part of `overview`, as text.

    Images without a label are the class "(no label)"; the last row, "(sum)", is the sum.
    """
    labels = manifest.frame["label"].fillna("(no label)")
    counts = labels.value_counts().to_frame("images")
    for part, members in _members(parts).items():
        counts[part] = labels[members].value_counts()
    order = [*manifest.classes, *sorted(set(labels) - set(manifest.classes))]
    counts = counts.reindex(order).fillna(0).astype(int)
    counts.loc["(sum)"] = counts.sum()
    return counts.map("{:,}".format).rename_axis("class").reset_index()


def _members(parts: pd.Series | None) -> dict[str, pd.Series]:
    """Which images are in each part that tables show."""
    if parts is None:
        return {}
    return {name: parts == name for name in (*PARTS, UNUSED) if name in PARTS or name in set(parts)}
