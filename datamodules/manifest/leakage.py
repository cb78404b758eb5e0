"""What a split lets through: the same subject, bytes or cell, or nearly the same picture, in two parts."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.manifest.manifest import Manifest
from datamodules.manifest.spellings import quotation
from datamodules.manifest.splits import PARTS
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.config.data import SplitConfig
from karyocyte.runs.run import Run

LISTED_PAIRS = 10_000  # the closest near-duplicate pairs are listed; all are counted
NEAR_BITS = 32  # largest Hamming distance of near-duplicates, of 256 hash bits; unrelated cells: over 45
_AT_ONCE = 1 << 17  # pairs that are compared at once: they stay in the cache of a processor
# Tells which pairs of rows of a manifest, int64, shape (n, 2), show the same cell: bool, shape (n,).
Confirm = Callable[[Manifest, np.ndarray], np.ndarray]
# The leaks that end a training unless its protocol is one of those here, and what to do about them.
_REMEDIES = {
    "conflicting": (("paper",), "remove the wrong one, or both"),
    "subjects": (("image", "paper"), "take their images out of one part, or say protocol=image"),
    "identical": (("paper",), "keep one copy of each, or say protocol=paper, which only warns"),
    "same": (
        ("image", "paper"),
        "link their subjects: give the keys of this training to scripts/same_cells.py with --output found, "
        "write same, or other of two cells, beside a single pair in its column seen, "
        "add same_cells=found/same_cells.csv; or say split.near_duplicates=report",
    ),
}


@dataclass(frozen=True)
class LeakReport:
    """What is in more than one part of a split."""

    protocol: str
    # see `pair_table`: of copies one pair for every two parts; then those of one cell, and near ones, nearest first
    pairs: pd.DataFrame
    near_count: int | None  # of near-duplicate pairs, of which `LISTED_PAIRS` are listed; None: they were not compared
    subjects: tuple[str, ...] = ()  # those in more than one part
    conflicting: tuple[tuple[str, ...], ...] = ()  # ids of images of the same bytes and different labels, in any part

    @property
    def identical_pairs(self) -> pd.DataFrame:
        """The pairs of identical files."""
        return self.pairs[self.pairs["kind"] == "identical"]

    @property
    def same_cell_pairs(self) -> pd.DataFrame:
        """The pairs of pictures of one cell."""
        return self.pairs[self.pairs["kind"] == "same"]

    @property
    def near_pairs(self) -> pd.DataFrame:
        """The listed pairs of near-duplicates."""
        return self.pairs[self.pairs["kind"] == "near"]

    def counts(self) -> dict[str, int | None]:
        """Return the numbers alone: they travel with the predictions, so that every result shows them."""
        identical, same = len(self.identical_pairs), len(self.same_cell_pairs)
        near = {"same_cell_pairs": same, "near_pairs": self.near_count}
        return {"subjects": len(self.subjects), "identical_pairs": identical, **near}

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, and the first names that no pair has, as plain values for JSON."""
        return {
            "protocol": self.protocol,
            "subjects_in_several_parts": len(self.subjects),
            "subjects": list(self.subjects[:100]),
            "identical_pairs": len(self.identical_pairs),
            "same_cell_pairs": len(self.same_cell_pairs),
            "near_pairs": self.near_count,
            "near_bits": None if self.near_count is None else NEAR_BITS,
            "conflicting_labels": [list(group) for group in self.conflicting[:100]],
        }

    def sentences(self) -> dict[str, str]:
        """Return a sentence of each kind of leak that there is: subjects, identical, same, near, conflicting."""
        found = {}
        if self.subjects:
            names = ", ".join(self.subjects[:5]) + ", ..." * (len(self.subjects) > 5)
            found["subjects"] = f"subjects in more than one part: {len(self.subjects):,} ({names})"
        if len(self.identical_pairs):
            first = _describe_first(self.identical_pairs)
            found["identical"] = f"pairs of identical files across parts: {len(self.identical_pairs):,}, first {first}"
        if len(self.same_cell_pairs):
            first = _describe_first(self.same_cell_pairs)
            found["same"] = (
                f"pairs of pictures of the same cell across parts: {len(self.same_cell_pairs):,}, first {first}"
            )
        if self.near_count:
            within = f"within {NEAR_BITS} of 256 bits"
            closest = _describe_first(self.near_pairs)
            found["near"] = f"near-duplicate pairs across parts ({within}): {self.near_count:,}, closest {closest}"
        if self.conflicting:
            first = " and ".join(self.conflicting[0])
            groups = f"{len(self.conflicting):,} groups, first {first}"
            found["conflicting"] = f"identical files with different labels: {groups}"
        return found

    def write_pairs(self, path: Path) -> None:
        """Write the listed pairs as CSV, whole or not at all."""
        write_csv(path, self.pairs.drop(columns=["left", "right"]))


def check_leaks(
    manifest: Manifest, parts: pd.Series, protocol: str, split: SplitConfig, confirm: Confirm | None = None
) -> LeakReport:
    """Look for leaks between the parts of a split.

    Near-duplicates are found by their perceptual hash: a copy that was recompressed, rescaled or stained again is
    near, one that was turned or mirrored is not. Pictures of one cell are the pairs that the manifest knows and, under
    "subject" with ``split.near_duplicates=stop``, the near-duplicates that ``confirm`` finds to be of one cell.
    "unused" images are left out.

    Raises:
        UserError: Under the protocol "subject" a subject, the bytes of a file or, where near-duplicates stop, a cell,
            under "image" the bytes, are in two parts, or the same bytes have two labels; "paper" forbids nothing.
    """
    frame = manifest.frame.assign(part=parts)
    used = frame[frame["part"].isin(PARTS)]
    near, count = (np.empty((0, 3), np.int64), None) if split.near_duplicates == "off" else near_pairs(used)
    sides = used.groupby("subject")["part"].nunique()
    labelled = frame.dropna(subset=["label"])
    copies = labelled[labelled.duplicated("sha256", keep=False)].groupby("sha256", sort=False)
    conflicting = [tuple(group["image_id"]) for _, group in copies if group["label"].nunique() > 1]
    same = _same_cells(manifest, frame)
    asked = near[~_told_apart(manifest, near)]
    if confirm is not None and len(asked) and protocol == "subject" and split.near_duplicates == "stop":
        same = np.concatenate([same, asked[confirm(manifest, asked[:, 1:])]])
    pairs = pair_table(frame, np.concatenate([_identical_pairs(used), near]))
    pairs = pd.concat([pairs, pair_table(frame, same).assign(kind="same")], ignore_index=True)
    report = LeakReport(protocol, pairs, count, tuple(sides.index[sides > 1]), tuple(conflicting))
    if protocol == "subject":
        _stop_at_spellings(manifest, used)
    _stop_at_leaks(report.sentences(), protocol, () if split.near_duplicates == "stop" else ("same",))
    return report


def _stop_at_leaks(sentences: Mapping[str, str], protocol: str, passed: Container[str]) -> None:
    """Raise the first kind of leak that the protocol does not allow, but for those that are passed."""
    for kind, (allowing, remedy) in _REMEDIES.items():
        if kind in sentences and protocol not in allowing and kind not in passed:
            raise UserError(f"{sentences[kind]}: {remedy}")


def _same_cells(manifest: Manifest, frame: pd.DataFrame) -> np.ndarray:
    """Return the known pairs of pictures of one cell that are in two parts, as `near_pairs` returns pairs."""
    pairs = manifest.cell_pairs[manifest.cell_pairs["seen"] != "other"]
    sides = [frame["part"].loc[pairs[side]].to_numpy() for side in ("left", "right")]
    apart = (sides[0] != sides[1]) & np.isin(sides[0], PARTS) & np.isin(sides[1], PARTS)
    rows = pairs.loc[apart, ["left", "right"]].to_numpy(np.int64)
    hashes = np.array([list(bytes.fromhex(digits)) for digits in frame["phash"]], np.uint8)
    bits = np.bitwise_count(hashes[rows[:, 0]] ^ hashes[rows[:, 1]]).sum(axis=1, dtype=np.int64)
    return np.column_stack([bits, rows])


def _told_apart(manifest: Manifest, near: np.ndarray) -> np.ndarray:
    """Return which of N near-duplicates somebody looked at and saw two cells, bool, shape (N,)."""
    seen = manifest.cell_pairs[manifest.cell_pairs["seen"] == "other"]
    others = {frozenset(pair) for pair in seen[["left", "right"]].itertuples(index=False, name=None)}
    return np.array([frozenset(pair) in others for pair in near[:, 1:].tolist()], bool)


def _stop_at_spellings(manifest: Manifest, used: pd.DataFrame) -> None:
    """Stop where spellings of what may be one subject are in two parts."""
    for group in manifest.alike_subjects:
        parts = used.loc[used["subject"].isin(group), "part"].unique()
        if len(parts) > 1:
            remedy = "write them alike, or say alike_names=distinct"
            raise UserError(f"subjects {quotation(group)} are in {' and '.join(sorted(parts))}: one person? {remedy}")


def near_pairs(used: pd.DataFrame) -> tuple[np.ndarray, int]:
    """Return the closest pairs of different files in two parts, nearest first, and how many there are.

    ``used`` has ``part``, ``sha256`` and ``phash`` of the images; the index is the manifest row.

    Returns:
        Distance, row in the earlier part (train, validation, test) and row in the later one of at most `LISTED_PAIRS`,
        int64, shape (pairs, 3); and the number of all pairs.
    """
    found = [np.empty((0, 3), np.int64)]
    hashes = np.frombuffer(bytes.fromhex("".join(used["phash"])), np.uint64).reshape(-1, 4)
    content = pd.factorize(used["sha256"])[0]
    members = [np.flatnonzero(used["part"] == part) for part in PARTS]
    count = 0
    for one, other in combinations(members, 2):
        for pairs in _close_pairs(hashes, one, other):
            different = pairs[content[pairs[:, 1]] != content[pairs[:, 2]]]
            count += len(different)
            found.append(different)
            if sum(map(len, found)) > 2 * LISTED_PAIRS:
                found = [_closest(found)]
    closest = _closest(found)
    closest[:, 1:] = used.index.to_numpy()[closest[:, 1:]]
    return closest, count


def _close_pairs(hashes: np.ndarray, one: np.ndarray, other: np.ndarray) -> Iterator[np.ndarray]:
    """Yield distance, row of ``one`` and of ``other`` of near pairs of hashes (images, 4), some at a time.

    Each is compared with each, by half of the bits first: for 100,000 images that takes ten to twenty seconds.
    """
    words = np.ascontiguousarray(hashes[other].T)
    step = max(_AT_ONCE // max(len(other), 1), 1)
    for start in range(0, len(one), step):
        rows = one[start : start + step]
        half = np.bitwise_count(hashes[rows, 0, None] ^ words[0]) + np.bitwise_count(hashes[rows, 1, None] ^ words[1])
        left, right = np.nonzero(half <= NEAR_BITS)
        if len(left):
            pairs = np.stack([np.zeros_like(left), rows[left], other[right]], axis=1)
            pairs[:, 0] = np.bitwise_count(hashes[pairs[:, 1]] ^ hashes[pairs[:, 2]]).sum(axis=1, dtype=np.int64)
            yield pairs[pairs[:, 0] <= NEAR_BITS]


def pair_table(frame: pd.DataFrame, pairs: np.ndarray) -> pd.DataFrame:
    """Return pairs (distance and two rows, int64, shape (pairs, 3)) of a frame with the facts of both sides.

    Returns:
        ``kind`` ("identical" or "near"), ``distance`` (of 256 bits), ``left`` and ``right`` (rows of the frame), and
        ``image_id_left``, ``label_left``, ``subject_left``, ``part_left``, and the same of the right side.
    """
    table = pd.DataFrame(pairs, columns=["distance", "left", "right"])
    same = frame["sha256"].loc[table["left"]].to_numpy() == frame["sha256"].loc[table["right"]].to_numpy()
    table.insert(0, "kind", np.where(same, "identical", "near"))
    facts = frame[["image_id", "label", "subject", "part"]]
    return table.join(facts.add_suffix("_left"), on="left").join(facts.add_suffix("_right"), on="right")


def seen_by_start(run: Path, manifest: Manifest, parts: pd.Series, protocol: str, key: str = "init_from") -> int:
    """Count the validation and test images that an earlier run, which ``key`` names, was trained or chosen on.

    An image counts by its bytes and, under ``subject``, by its subject: test images that were in the train or
    validation part of the earlier ``run``, validation images that were in its train part.

    Raises:
        UserError: There are such images, and the protocol is not ``paper``; or the earlier run has no split.csv.
    """
    earlier = Run(run).split
    seen = pd.Series(False, index=parts.index)
    for ours, theirs in (("test", ("train", "validation")), ("validation", ("train",))):
        before = earlier[earlier["part"].isin(theirs)]
        again = manifest.frame["sha256"].isin(before["sha256"])
        if protocol == "subject":
            again |= manifest.frame["subject"].isin(before["subject"].dropna())
        seen |= again & (parts == ours)
    count = int(seen.sum())
    if count and protocol != "paper":
        first = manifest.frame.loc[seen, "image_id"].iloc[0]
        raise UserError(
            f"{key}={run} was trained or chosen on {count} of the images that evaluate this run, {first} first: "
            "name a run of the same fold, split and protocol"
        )
    return count


def _describe_first(pairs: pd.DataFrame) -> str:
    pair = pairs.iloc[0]
    return f"{pair.image_id_left} ({pair.part_left}) and {pair.image_id_right} ({pair.part_right})"


def _identical_pairs(used: pd.DataFrame) -> np.ndarray:
    """The first copy in each of two parts, as `near_pairs` returns pairs."""
    copies = used[used.duplicated("sha256", keep=False)].drop_duplicates(["sha256", "part"])
    pairs = []
    for _, group in copies.groupby("sha256", sort=False):
        first = dict(zip(group["part"], group.index, strict=True))
        for one, other in combinations([part for part in PARTS if part in first], 2):
            pairs.append((0, first[one], first[other]))
    return np.array(pairs, np.int64).reshape(-1, 3)


def _closest(pairs: Sequence[np.ndarray]) -> np.ndarray:
    """The closest of arrays of pairs, at most `LISTED_PAIRS`; of the same distance those of the first rows."""
    table = np.concatenate(pairs)
    return table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))[:LISTED_PAIRS]]
