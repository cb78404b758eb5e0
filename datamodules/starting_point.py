"""The images that a run's starting point has seen: with ``init_from`` a second way for a leak."""

from pathlib import Path

import pandas as pd

from common.errors import UserError
from datamodules.manifest import Manifest


def seen_by_start(run: Path, manifest: Manifest, parts: pd.Series, protocol: str) -> int:
    """Count the validation and test images that the run to start from was trained or chosen on.

    An image counts by its bytes and, under ``subject``, by its subject: test images that were in the earlier train or
    validation part, validation images that were in its train part.

    Args:
        run: The folder of the earlier run; its split.csv says what it saw.
        manifest: The images of this run.
        parts: Their parts.
        protocol: This run's: "subject", "image" or "paper".

    Raises:
        UserError: There are such images, and the protocol is not ``paper``; or the run has no split.csv.
    """
    path = run / "split.csv"
    if not path.is_file():
        raise UserError(f"init_from={run} has no split.csv: name the folder of a finished run")
    earlier = pd.read_csv(path, dtype=str, keep_default_na=False)
    seen = pd.Series(False, index=parts.index)
    for ours, theirs in (("test", ("train", "validation")), ("validation", ("train",))):
        before = earlier[earlier["part"].isin(theirs)]
        again = manifest.frame["sha256"].isin(before["sha256"])
        if protocol == "subject":
            again |= manifest.frame["subject"].isin(before.loc[before["subject"] != "", "subject"])
        seen |= again & (parts == ours)
    count = int(seen.sum())
    if count and protocol != "paper":
        first = manifest.frame.loc[seen, "image_id"].iloc[0]
        raise UserError(
            f"init_from={run} was trained or chosen on {count} of the images that judge this run, {first} first: "
            "start from a run of the same fold, split and protocol"
        )
    return count
