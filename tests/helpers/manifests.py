"""Manifests without files, for what never opens one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.manifest.manifest import COLUMNS, Manifest


def rows_of(manifest: Manifest) -> list[Any]:
    """The images as the source lists them: a named tuple each."""
    return list(manifest.frame[COLUMNS].itertuples(index=False, name="Image"))


def facts_of(manifest: Manifest) -> dict[str, Any]:
    """All of a manifest but the places, for comparisons."""
    pairs = manifest.cell_pairs.to_dict("list")
    return {**vars(manifest), "frame": rows_of(manifest), "cell_pairs": pairs, "places": None}


def make_manifest(
    labels: Sequence[str | None],
    subjects: Sequence[str | None] | None = None,
    parts: Sequence[str | None] | None = None,
    sha256: Sequence[str] | None = None,
    phash: Sequence[str] | None = None,
) -> Manifest:
    """Make a manifest of images that are not there; bytes and perceptual hashes all differ unless they are given."""
    count = len(labels)
    hashes = np.random.default_rng(0).integers(0, 256, (count, 32), dtype=np.uint8)
    columns = {
        "image_id": [f"i{number:05d}" for number in range(count)],
        "path": [f"i{number:05d}.png" for number in range(count)],
        "label": labels,
        "subject": [None] * count if subjects is None else subjects,
        "part": [None] * count if parts is None else parts,
        "cell": [None] * count,
        "kind": [None] * count,
        "group": [None] * count,
        "sha256": [f"{number:064x}" for number in range(count)] if sha256 is None else sha256,
        "phash": [row.tobytes().hex() for row in hashes] if phash is None else phash,
    }
    frame = pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})
    frame = frame.assign(width=40, height=40, channels=3)
    classes = tuple(sorted({label for label in labels if label is not None}))
    return Manifest(frame, Path("/nowhere"), classes, classes[-1] if len(classes) == 2 else None, "folder")


def two_class_manifest(subjects_per_class: int, images_per_subject: int) -> Manifest:
    """Make subjects of one class each: "a" (a0, a1, ...) and "b"."""
    labels = np.repeat(["a", "b"], subjects_per_class * images_per_subject)
    numbers = np.tile(np.repeat(np.arange(subjects_per_class), images_per_subject), 2)
    return make_manifest(labels.tolist(), [f"{label}{number}" for label, number in zip(labels, numbers, strict=True)])
