"""The predictions of a run as a table, and their file: the input of every evaluation."""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import entr

from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path
from karyocyte.runs.files import RunFile

SCHEMA_VERSION = 4
ROUNDING = 0.01  # by which the probabilities of an image may miss 1
COLUMNS = ("image_id", "path", "label", "subject", "part", "cell", "kind", "width", "height", "group", "uncertainty")
# What is known of an image before any model sees it, apart from its part.
FACTS = tuple(name for name in COLUMNS if name not in ("part", "uncertainty"))
FACTS_KEY, DIGEST_KEY = b"karyocyte", b"karyocyte_crc32"  # of a file's metadata
PROBABILITY_PREFIX = "prob_"
UPSIDE_DOWN = "upside_down"
OUT_OF_DISTRIBUTION = "out_of_distribution"
BASELINE_PREFIX = "baseline_"
SAMPLED_PREFIX = "sampled_"
VALIDATION = "validation"  # what predictions are evaluated on (``about["on"]``) in place of the test part
SAMPLED_PROBABILITY_PREFIX = SAMPLED_PREFIX + PROBABILITY_PREFIX
VOTES = SAMPLED_PREFIX + "votes"


@dataclass(frozen=True)
class Predictions:
    """Probabilities of a model for the images of the validation and test parts, or for those of the train part.

    Attributes:
        frame: One row per image:

            - ``image_id`` (str, unique), ``path`` (str, below data_dir), ``label`` (class name, None where unknown)
            - ``subject``, ``cell`` (metaphase of a chromosome or karyogram), ``kind`` (what is known beyond the class)
              and ``group`` (staining, scanner, site or the like): str, None where unknown
            - ``part``: "validation" or "test"; "train" in a file of its own
            - ``width``, ``height``: pixels of the original image; missing where unknown
            - ``prob_<class>`` of each class: 0 to 1, a row sums to 1
            - ``uncertainty``: the entropy of the probabilities over its maximum, 0 to 1
            - ``upside_down`` (of a model that estimates the orientation): probability of a turn by 180 degrees
            - ``out_of_distribution`` (of new images): distance from the training images over its threshold, 0 or more
            - ``baseline_<name>_<class>``: probabilities of regressions without a network (``evaluation.baseline``)
            - ``sampled_...``: what many predictions of an image have in common, see ``uncertainty.summarise``;
              the columns above are then those of the one prediction without dropout, or of the ensemble's mean
        classes: The class names; the order of the probabilities.
        positive_class: The class whose probability is thresholded; None where there are more than two classes.
        about: Facts of the run, JSON-able: name, source, synthetic, protocol, fold, seed, ...
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    positive_class: str | None
    about: dict[str, Any]

    def part(self, part: str) -> "Predictions":
        """Return the rows of one part ("validation" or "test"), renumbered from 0."""
        rows = self.frame[self.frame["part"] == part].reset_index(drop=True)
        return Predictions(rows, self.classes, self.positive_class, self.about)

    def validation_as_test(self) -> "Predictions":
        """Return the rows of the validation part as a test part, to choose settings by; ``about`` tells it."""
        rows = self.part(VALIDATION).frame.assign(part="test")
        return Predictions(rows, self.classes, self.positive_class, {**self.about, "on": VALIDATION})

    def of_group(self, group: str) -> "Predictions":
        """Return the validation part, and the rows of the test part that are of a group; there must be some."""
        tests = self.frame["part"] == "test"
        if not (tests & (self.frame["group"] == group)).any():
            known = ", ".join(sorted(self.frame.loc[tests, "group"].dropna().unique())) or "none"
            raise UserError(f"--group {group}: no test image is of this group (groups: {known})")
        rows = self.frame[~tests | (self.frame["group"] == group)].reset_index(drop=True)
        return Predictions(rows, self.classes, self.positive_class, self.about)

    @property
    def probabilities(self) -> np.ndarray:
        """The probabilities, float64, shape (images, classes)."""
        columns = [PROBABILITY_PREFIX + name for name in self.classes]
        probabilities: np.ndarray = self.frame[columns].to_numpy(np.float64)
        return probabilities

    @property
    def labels(self) -> np.ndarray:
        """The true classes as indices into ``classes``, int64, shape (images,); -1 where the label is unknown."""
        labels: np.ndarray = pd.Index(self.classes).get_indexer(self.frame["label"]).astype(np.int64)
        return labels

    @property
    def positive_index(self) -> int | None:
        """The index of the positive class, None where there are more than two classes."""
        if self.positive_class is None:
            return None
        return self.classes.index(self.positive_class)

    @property
    def has_passes(self) -> bool:
        """Whether passes of Monte Carlo dropout voted for all images; the votes of an ensemble are of its members."""
        return "ensemble" not in self.about and VOTES in self.frame and bool(self.frame[VOTES].notna().all())


def uncertainty_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the entropy of each row of probabilities (N, classes) over its maximum, log(classes): 0 sure to 1."""
    # As scipy.stats.entropy, which is slow to import.
    entropies: np.ndarray = entr(probabilities / probabilities.sum(1, keepdims=True)).sum(1)
    return (entropies / math.log(probabilities.shape[1])).clip(0.0, 1.0)


def needed_images(share: float) -> int:
    """Return how many validation images a quantile needs that a ``share`` (0 to 1) of new ones is above."""
    return max(1, math.ceil(1 / share - 1e-9) - 1)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the predictions as parquet, whole or not at all; classes and facts are in the file's metadata."""
    meta = {
        "schema_version": SCHEMA_VERSION,
        "classes": list(predictions.classes),
        "positive_class": predictions.positive_class,
        "about": predictions.about,
    }
    write_table(path, predictions.frame, meta)


def write_table(path: Path, frame: pd.DataFrame, facts: Mapping[str, Any], key: bytes = FACTS_KEY) -> None:
    """Write a table as parquet, whole or not at all; its facts, JSON-able, and a checksum are metadata of the file."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    text = json.dumps(facts).encode()
    own = {key: text, DIGEST_KEY: _digest(table.to_pandas(), text)}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **own})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, key: bytes = FACTS_KEY) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table of `write_table` and its facts; a ``UserError`` says that the file is damaged or is none."""
    try:
        table = pq.read_table(path)
        frame = table.to_pandas()
        stored = table.schema.metadata or {}
        digest = _digest(frame, stored.get(key, b""))
    except Exception as error:  # damaged metadata and texts raise errors of many kinds
        raise UserError(f"{path} is not a readable parquet file: {str(error).partition(chr(10))[0]}") from error
    if key not in stored:
        return frame, {}
    if stored.get(DIGEST_KEY) != digest:
        raise UserError(f"{path} was changed since it was written, or is damaged: predict again")
    return frame, json.loads(stored[key])


def _digest(frame: pd.DataFrame, facts: bytes) -> bytes:
    """The CRC-32 of a table and the facts about it: parquet has checksums of the values alone."""
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return str(zlib.crc32(rows.tobytes() + repr(list(frame)).encode() + facts)).encode()


def read_predictions(path: Path) -> Predictions:
    """Read predictions from their file or a run's folder; a ``UserError`` names a file that is missing or damaged."""
    path = Path(path)
    if path.is_dir():
        path = path / RunFile.PREDICTIONS
    if not path.is_file():
        raise UserError(f"no predictions at {path}: name a finished run's folder, or its {RunFile.PREDICTIONS}")
    frame, meta = read_table(path)
    version = meta.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UserError(f"{path} has schema {version or 'none'}, this code reads {SCHEMA_VERSION}: predict again")
    # Columns are checked before pandas reads them, since a missing one would fail much later.
    classes = pd.Index(meta["classes"], dtype=object)
    needed = [*COLUMNS, *(PROBABILITY_PREFIX + classes)]
    absent = pd.Index(needed).difference(list(frame), sort=False)
    if not absent.empty:
        raise UserError(f"{path} lacks the columns {', '.join(absent)}")
    predictions = Predictions(frame, tuple(meta["classes"]), meta["positive_class"], meta["about"])
    for what, names in (("class", classes), ("image", pd.Index(frame["image_id"]))):
        if len(twice := names[names.duplicated()]):
            raise UserError(f"{path} is damaged: the {what} {twice[0]} is there twice: predict again")
    check_probabilities(path, predictions.probabilities)
    return predictions


def check_probabilities(path: Path, probabilities: np.ndarray) -> None:
    """Check rows of probabilities from a file; a ``UserError`` says that they are none."""
    if not ((probabilities >= 0) & (probabilities <= 1)).all() or (abs(probabilities.sum(axis=1) - 1) > ROUNDING).any():
        raise UserError(f"{path}: probabilities are from 0 to 1, and those of an image sum to 1: predict again")
