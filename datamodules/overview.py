"""What a data set holds, as the tables of the papers show it (paper 002, table 1)."""

import pandas as pd

from datamodules.manifest import Manifest
from datamodules.splits import PARTS, UNUSED


def overview(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return paper 002's table 1 for one data set: a row with the numbers of images, their sizes and channels.

    Args:
        manifest: The images.
        parts: The part of each image, as `splits.split` returns it; None where it cannot be split as asked.

    Returns:
        data, images, train, validation and test (and unused, where any is) where there is a split, size and channels,
        as text. The size is width x height in pixels: the least of each "to" the largest of each.
    """
    frame = manifest.frame
    counts = {} if parts is None else {part: f"{(parts == part).sum():,}" for part in _shown(parts)}
    ends = [(frame["width"].min(), frame["height"].min()), (frame["width"].max(), frame["height"].max())]
    sizes = [f"{width} x {height}" for width, height in dict.fromkeys(ends)]
    channels = ", ".join(map(str, sorted(set(frame["channels"]))))
    row = {"data": manifest.source, "images": f"{len(frame):,}", **counts}
    return pd.DataFrame([{**row, "size": " to ".join(sizes), "channels": channels}])


def class_counts(manifest: Manifest, parts: pd.Series | None) -> pd.DataFrame:
    """Return how many images of each class there are in all and in each part, as text.

    Args:
        manifest: The images.
        parts: The part of each image; None where it cannot be split as asked.

    Returns:
        class, images, and train, validation and test (and unused, where any is) where there is a split. Images without
        a label are the class "(no label)"; the last row, "(sum)", is the sum.
    """
    labels = manifest.frame["label"].fillna("(no label)")
    columns = {"images": pd.Series(True, index=labels.index)}
    if parts is not None:
        columns |= {part: parts == part for part in _shown(parts)}
    counts = pd.DataFrame({name: labels[chosen].value_counts() for name, chosen in columns.items()})
    order = [*manifest.classes, *sorted(set(labels) - set(manifest.classes))]
    counts = counts.reindex(order).fillna(0).astype(int)
    counts.loc["(sum)"] = counts.sum()
    return counts.map("{:,}".format).rename_axis("class").reset_index()


def _shown(parts: pd.Series) -> tuple[str, ...]:
    return (*PARTS, UNUSED) if (parts == UNUSED).any() else PARTS
