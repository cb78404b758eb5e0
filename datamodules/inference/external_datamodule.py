"""Another data set than a run learned from: its images for the run's model, and which of them the run knows already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from common.config.schema import Config
from common.errors import UserError
from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.leakage import LeakReport
from datamodules.manifest.manifest import Manifest, PositiveClassUnsaidError
from datamodules.manifest.near_duplicates import near_pairs
from datamodules.manifest.splits import TEST, TRAIN, UNUSED, VALIDATION
from datamodules.sources import scan

LEARNED = (TRAIN, VALIDATION)
_COLUMNS = ["image_id", "path", "label", "subject", "sha256", "part"]


def scan_other(config: Config, positive: Sequence[str], progress: bool = True) -> tuple[Manifest, Config]:
    """Scan a set whose own positive class need not be said: the run has one.

    Args:
        config: Its ``data``, ``data_dir`` and ``cache_dir`` name the set.
        positive: The set's classes that mean the run's positive one, as far as they are known.
        progress: Whether a progress bar may be shown.

    Returns:
        The manifest, and the configuration with the positive class that it was read with.

    Raises:
        UserError: See ``sources.scan``.
    """
    try:
        return scan(config.data, config.data_dir, Path(config.cache_dir), progress), config
    except PositiveClassUnsaidError as error:
        # Labels go by their names: which of the two it is changes nothing but the order of the classes.
        name = next((one for one in error.classes if one in positive), error.classes[-1])
    data = config.data.model_copy(update={"positive_class": name})
    return scan(data, config.data_dir, Path(config.cache_dir), progress), config.model_copy(update={"data": data})


class OtherSet(ImageDataModule):
    """Serves the images of another set that a run's model is to judge, prepared as the run's own were.

    Args:
        config: The run's configuration with the ``data``, ``data_dir`` and ``cache_dir`` of the other set.
        scanned: All images of the set; what is left out is prepared too, since the scale of a chromosome may depend on
            the others of its cell.
        labels: The run's class of each image; None where it has none.
        parts: "test" for the images to judge, else "unused".
        classes: The run's.
        positive_class: The run's.
        progress: Whether a progress bar may be shown.
    """

    def __init__(  # noqa: PLR0913
        self,
        config: Config,
        scanned: Manifest,
        labels: Sequence[str | None],
        parts: pd.Series,
        classes: tuple[str, ...],
        positive_class: str | None,
        progress: bool = True,
    ) -> None:
        super().__init__(
            config.data,
            data_dir=config.data_dir,
            cache_dir=config.cache_dir,
            prepare=config.prepare,
            loader=config.loader,
            progress=progress,
        )
        self.config = config
        self.scanned = scanned
        frame = scanned.frame.assign(label=pd.Series(list(labels), scanned.frame.index, dtype=object))
        self.manifest = replace(scanned, frame=frame, classes=classes, positive_class=positive_class)
        self.parts = parts

    def setup(self, stage: str | None = None) -> None:
        """Do nothing: there is no split and no training to plan."""


@dataclass(frozen=True)
class Known:
    """The images of a run's split, and of those that it started from.

    Attributes:
        frame: image_id, path, label, subject, sha256 and part of the run's own images.
        parts: The part that holds a file, by its SHA-256; "train" before "validation" before "test", the runs that
            this one started from included.
        lost: Runs that it started from whose split cannot be read any more.
    """

    frame: pd.DataFrame
    parts: dict[str, str]
    lost: tuple[str, ...]

    def part_of(self, sha256: pd.Series) -> pd.Series:
        """Return the part that holds each file; None where the run does not know it."""
        return pd.Series([self.parts.get(one) for one in sha256], sha256.index, dtype=object)

    def namesakes(self, subjects: pd.Series) -> list[str]:
        """Return the subjects that are called like one that the run learned from."""
        learned = set(self.frame.loc[self.frame["part"].isin(LEARNED), "subject"].dropna())
        return sorted(set(subjects.dropna()) & learned)


def known_images(run: Path, start: str | None) -> Known:
    """Read what a run learned from, tested on and started from.

    Args:
        run: Its folder.
        start: Its ``init_from``, or None.

    Raises:
        UserError: The run has no split.csv.
    """
    if not (run / "split.csv").is_file():
        raise UserError(f"{run} has no split.csv, so what it was trained on is not known: train it again")
    own = _split(run)
    tables = [own]
    lost = []
    while start is not None:
        earlier = Path(start)
        if not (earlier / "split.csv").is_file() or not (earlier / "config.yaml").is_file():
            lost.append(start)
            break
        # What the earlier run was tested on, neither of them learned from.
        tables.append(_split(earlier).query("part in @LEARNED"))
        start = yaml.safe_load((earlier / "config.yaml").read_text()).get("init_from")
    parts: dict[str, str] = {}
    for part in (TEST, VALIDATION, TRAIN):  # the last one counts
        for table in tables:
            parts |= dict.fromkeys(table.loc[table["part"] == part, "sha256"], part)
    return Known(own, parts, tuple(lost))


def near_same(
    known: Known, other: pd.DataFrame, config: Config, progress: bool = True
) -> tuple[LeakReport, str | None]:
    """Look for pictures of the other set that are nearly the same as one that the run learned from.

    Args:
        known: The run's images.
        other: Those that are judged: image_id, path, label, subject, sha256 and phash.
        config: The run's configuration; ``split`` says whether and how closely, ``data_dir`` where its images lie.
        progress: Whether a progress bar may be shown.

    Returns:
        The pairs as the leak check of a run reports them, and, where they could not be looked for, why not.
    """
    bits = config.split.near_duplicate_bits
    why = None
    learned = known.frame[known.frame["part"].isin(LEARNED)]
    hashes: Mapping[str, Any] = {}
    if config.split.near_duplicates == "off":
        why = "the run has split.near_duplicates=off"
    else:
        try:
            scanned = scan(config.data, config.data_dir, Path(config.cache_dir), progress).frame
            hashes = dict(zip(scanned["sha256"], scanned["phash"], strict=True))
            learned = learned.assign(phash=learned["sha256"].map(hashes)).dropna(subset="phash")
        except UserError as error:
            why = f"the images that it learned from cannot be read ({error})"
    if why is None and not len(learned):
        why = f"data_dir={config.data_dir} holds other images now than the run learned from"
    table = pd.concat([learned.assign(part=TRAIN), other.assign(part=TEST)], ignore_index=True)
    pairs, count = ((), 0) if why else near_pairs(table, bits)
    report = LeakReport(
        protocol=config.protocol,
        table=table[["image_id", "label", "subject", "part"]],
        subjects=(),
        identical_pairs=(),
        near_pairs=pairs,
        near_count=count,
        near_bits=None if why else bits,
        conflicting=(),
    )
    return report, why


def joined_split(data: OtherSet, known: Known) -> pd.DataFrame:
    """Return the images of the other set and, below them, what the run learned from, as split.csv has them."""
    ours = data.manifest.frame.assign(part=data.parts)[_COLUMNS]
    return pd.concat([ours, known.frame[known.frame["part"].isin(LEARNED)][_COLUMNS]], ignore_index=True)


def parts_of(labels: Sequence[str | None], seen: pd.Series, unlabelled: bool = False) -> pd.Series:
    """Return "test" for the images to judge, "unused" for those without a label or that the run learned from.

    Args:
        labels: The run's class of each image, or None.
        seen: The part of the run that holds each image, or None; of the index that the result has.
        unlabelled: Whether images without label are judged too.
    """
    wanted = [
        (unlabelled or label is not None) and part not in LEARNED for label, part in zip(labels, seen, strict=True)
    ]
    return pd.Series([TEST if one else UNUSED for one in wanted], seen.index, dtype=object)


def _split(run: Path) -> pd.DataFrame:
    frame = pd.read_csv(run / "split.csv", dtype=str, keep_default_na=False, usecols=_COLUMNS)
    return frame.assign(**{name: frame[name].where(frame[name] != "", None) for name in ("label", "subject")})
