"""A data set that a run was not trained on: its images for the run's model, and those that the run has seen before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.leakage import LeakReport, near_pairs, pair_table
from datamodules.manifest.manifest import Manifest, PositiveClassUnsaidError
from datamodules.manifest.splits import TEST, TRAIN, UNUSED, VALIDATION
from datamodules.sources import scan, scan_persons
from datamodules.transforms.expansion import unchanged
from karyocyte.common.errors import UserError
from karyocyte.config.schema import Config
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run

LEARNED = (TRAIN, VALIDATION)
_COLUMNS = ["image_id", "path", "label", "subject", "sha256", "part"]


def scan_external(config: Config, positive: Sequence[str], progress: bool = True) -> tuple[Manifest, Config]:
    """Scan the data set of a configuration, which need not name a positive class, since the run has one.

    Args:
        config: Its ``data``, ``data_dir`` and ``cache_dir``.
        positive: Classes of the data set that correspond to the run's positive one.
        progress: Whether a progress bar may be shown.

    Returns:
        The manifest, and the configuration with the positive class.
    """
    try:
        return scan_persons(config, progress), config
    except PositiveClassUnsaidError as error:
        # Labels are mapped by name: the choice affects the order of the classes only.
        positive_class = next((name for name in error.classes if name in positive), error.classes[-1])
    data = config.data.model_copy(update={"positive_class": positive_class})
    config = config.model_copy(update={"data": data})
    return scan_persons(config, progress), config


class ExternalDataModule(ImageDataModule):
    """Serves the test images of an external data set, prepared like the run's own.

    Args:
        config: The run's configuration with the ``data``, ``data_dir`` and ``cache_dir`` of the data set.
        scanned: All images of the data set under its own labels. Unused images are prepared too: the scale of a
            chromosome may depend on the others of its cell.
        manifest: The same images with the run's classes.
        parts: "test" for the images to predict, else "unused".
        progress: Whether a progress bar may be shown.
    """

    def __init__(
        self, config: Config, scanned: Manifest, manifest: Manifest, parts: pd.Series, progress: bool = True
    ) -> None:
        super().__init__(config, progress=progress)
        self.scanned = scanned
        self.expansion = unchanged(scanned, config.transform)
        self.manifest = manifest
        self.parts = parts

    def setup(self, stage: str | None = None) -> None:
        """Do nothing: the parts are given, and nothing is trained."""

    def split_table(self, seen: "SeenImages") -> pd.DataFrame:
        """Return the rows of split.csv: the images of the data set, then those that the run learned from."""
        own = self.manifest.frame.assign(part=self.parts)
        return pd.concat([own[_COLUMNS], seen.learned[_COLUMNS]], ignore_index=True)


@dataclass(frozen=True)
class SeenImages:
    """The images of a run's split, and those of the runs that it started from."""

    # image_id, path, label, subject, sha256 and part of the run's own training and validation images
    learned: pd.DataFrame
    # the part of each file, by its SHA-256, earlier runs included; "train" takes precedence over "validation", and that
    # over "test"
    parts: dict[str, str]
    lost: tuple[str, ...]  # earlier runs whose split cannot be read

    def part_of(self, sha256: pd.Series) -> pd.Series:
        """Return the part of each file; None for new files."""
        return pd.Series(map(self.parts.get, sha256), sha256.index, dtype=object)

    def namesakes(self, subjects: pd.Series, persons: Sequence[Mapping[str, Any]] = ()) -> list[str]:
        """Return the subjects that have a name of one that the run learned from; ``persons`` are those of data.json."""
        learned = set(self.learned["subject"].dropna())
        linked = [person["subjects"] for person in persons if person["subjects"][0] in learned]
        return sorted(set(subjects.dropna()) & learned.union(*linked))


def read_seen_images(run: Run, start: str | None) -> SeenImages:
    """Read which images a run was trained, validated and tested on, and those before it, from its ``init_from`` on.

    Raises:
        UserError: The run has no split.csv.
    """
    learned = run.split[run.split["part"].isin(LEARNED)]
    tables = [run.split]
    lost = []
    while start is not None:
        earlier = Run(Path(start))
        if not earlier.has(RunFile.SPLIT) or not earlier.has(RunFile.CONFIG):
            lost.append(start)
            break
        # Neither run learned from the test images of the earlier one.
        tables.append(earlier.split[earlier.split["part"].isin(LEARNED)])
        start = earlier.raw_config.get("init_from")
    files = pd.concat(tables)
    parts: dict[str, str] = {}
    for part in (TEST, VALIDATION, TRAIN):  # the last one takes precedence
        parts |= dict.fromkeys(files.loc[files["part"] == part, "sha256"], part)
    return SeenImages(learned, parts, tuple(lost))


def find_near_duplicates(
    seen: SeenImages, external: pd.DataFrame, config: Config, progress: bool = True
) -> tuple[LeakReport, str | None]:
    """Compare the external images with those that the run learned from, by their perceptual hashes.

    Args:
        seen: The run's images.
        external: The test images: image_id, path, label, subject, sha256 and phash.
        config: The run's configuration.
        progress: Whether a progress bar may be shown.

    Returns:
        The pairs as in the leak report of a run, and the reason where no comparison was possible.
    """
    learned = seen.learned
    reason = None
    if config.split.near_duplicates == "off":
        reason = "the run has split.near_duplicates=off"
    else:
        try:
            scanned = scan(config.data, config.data_dir, Path(config.cache_dir), progress).frame
            hashes = dict(zip(scanned["sha256"], scanned["phash"], strict=True))
            learned = learned.assign(phash=learned["sha256"].map(hashes)).dropna(subset="phash")
            if learned.empty:
                reason = f"data_dir={config.data_dir} holds other images now than the run learned from"
        except UserError as error:
            reason = f"the images that it learned from cannot be read ({error})"
    table = pd.concat([learned.assign(part=TRAIN), external.assign(part=TEST)], ignore_index=True)
    bits = None
    if reason is None:
        bits = config.split.near_duplicate_bits
    pairs, count = near_pairs(table, bits)
    return LeakReport(config.protocol, pair_table(table, pairs), count, bits), reason


def assign_parts(labels: pd.Series, seen: pd.Series) -> pd.Series:
    """Return "test" for the images to predict, "unused" for those that the run learned from or that have no label.

    Args:
        labels: The run's class of each image, or None.
        seen: The part of the run that holds each image, or None; same index.
    """
    wanted = ~seen.isin(LEARNED) & labels.notna()
    return wanted.map({True: TEST, False: UNUSED})
