"""What a split lets through: the same subject, the same bytes or nearly the same picture in two parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.config.schema import SplitConfig
from common.errors import UserError
from common.files import atomic_path
from common.runs.run import Run
from datamodules.io.decode import read_image
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.near_duplicates import Pair, near_pairs
from datamodules.manifest.splits import PARTS

SHOWN_PAIRS = 24
_PAIRS_PER_ROW = 4
_NAMED = 5  # so many names stand in a message


@dataclass(frozen=True)
class LeakReport:
    """What was found on more than one side of a split.

    Attributes:
        protocol: "subject", "image" or "paper".
        table: image_id, label, subject and part of every image, by manifest row.
        subjects: The subjects that are in more than one part.
        identical_pairs: Pairs of the same bytes: for every group of copies and every two parts one pair.
        near_pairs: The closest pairs of near-same pictures whose bytes differ, nearest first; at most 10,000.
        near_count: How many such pairs there are.
        near_bits: Up to which distance pictures count as near-same; None where this was not looked at.
        conflicting: Groups of image ids whose bytes are the same and whose labels differ, in whatever part.
    """

    protocol: str
    table: pd.DataFrame
    subjects: tuple[str, ...]
    identical_pairs: tuple[Pair, ...]
    near_pairs: tuple[Pair, ...]
    near_count: int
    near_bits: int | None
    conflicting: tuple[tuple[str, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, and the first names behind them, as plain values for JSON."""
        return {
            "protocol": self.protocol,
            "subjects_in_several_parts": len(self.subjects),
            "subjects": list(self.subjects[:100]),
            "identical_pairs": len(self.identical_pairs),
            "identical": [self._names(pair) for pair in self.identical_pairs[:100]],
            "near_pairs": None if self.near_bits is None else self.near_count,
            "near_bits": self.near_bits,
            "near": [self._names(pair) for pair in self.near_pairs[:100]],
            "conflicting_labels": [list(group) for group in self.conflicting[:100]],
        }

    def counts(self) -> dict[str, int | None]:
        """Return the numbers alone: they travel with the predictions, so that every result shows them."""
        near = None if self.near_bits is None else self.near_count
        return {"subjects": len(self.subjects), "identical_pairs": len(self.identical_pairs), "near_pairs": near}

    def lines(self) -> list[str]:
        """Return what was found as sentences for the log; empty where nothing was."""
        lines = []
        if self.subjects:
            lines.append(f"subjects in more than one part: {len(self.subjects):,} ({_some(self.subjects)})")
        if self.identical_pairs:
            first = self._say(self.identical_pairs[0])
            lines.append(f"pairs of identical files across parts: {len(self.identical_pairs):,}, first {first}")
        if self.near_count:
            within = f"within {self.near_bits} of 256 bits"
            closest = self._say(self.near_pairs[0])
            lines.append(f"near-same pairs across parts ({within}): {self.near_count:,}, closest {closest}")
        if self.conflicting:
            first = " and ".join(self.conflicting[0])
            lines.append(f"identical files with different labels: {len(self.conflicting):,} groups, first {first}")
        return lines

    def pairs(self) -> pd.DataFrame:
        """Return the listed pairs: kind, distance, and image_id, label, subject and part of both sides."""
        rows = [("identical", *pair) for pair in self.identical_pairs] + [("near", *pair) for pair in self.near_pairs]
        frame = pd.DataFrame(rows, columns=["kind", "left", "right", "distance"])
        left, right = (
            self.table.loc[frame[side]].reset_index(drop=True).add_suffix(f"_{side}") for side in ("left", "right")
        )
        return pd.concat([frame[["kind", "distance"]], left, right], axis=1)

    def write_pairs(self, path: Path) -> None:
        """Write the listed pairs as CSV, whole or not at all."""
        with atomic_path(path) as temporary:
            self.pairs().to_csv(temporary, index=False)

    def _say(self, pair: Pair) -> str:
        left = self.table.loc[pair.left]
        right = self.table.loc[pair.right]
        return f"{left.image_id} ({left.part}) and {right.image_id} ({right.part})"

    def _names(self, pair: Pair) -> list[Any]:
        return [self.table.at[pair.left, "image_id"], self.table.at[pair.right, "image_id"], pair.distance]


def check_leaks(manifest: Manifest, parts: pd.Series, protocol: str, split: SplitConfig) -> LeakReport:
    """Look for leaks between the parts of a split.

    Near-same pictures are found by their perceptual hash: a copy that was recompressed, rescaled or stained anew is
    near, one that was turned or mirrored is not.

    Args:
        manifest: The images.
        parts: The part of each image, as `splits.split` returns it; "unused" images are left out.
        protocol: Under "subject" a shared subject and shared bytes stop the run, under "image" shared bytes do, and
            near-same pictures where ``split.near_duplicates`` is "stop"; under "paper" nothing does.
        split: ``near_duplicates`` (report, stop or off) and ``near_duplicate_bits``.

    Raises:
        UserError: The split has a leak that the protocol forbids.
    """
    frame = manifest.frame.assign(part=parts)
    used = frame[frame["part"].isin(PARTS)]
    looked = split.near_duplicates != "off"
    near, count = near_pairs(used, split.near_duplicate_bits) if looked else ((), 0)
    sides = used.groupby("subject")["part"].nunique()
    report = LeakReport(
        protocol=protocol,
        table=frame[["image_id", "label", "subject", "part"]],
        subjects=tuple(sides.index[sides > 1]),
        identical_pairs=tuple(_identical_pairs(used)),
        near_pairs=near,
        near_count=count,
        near_bits=split.near_duplicate_bits if looked else None,
        conflicting=_conflicting(frame),
    )
    _stop(report, split)
    return report


def write_contact_sheet(report: LeakReport, manifest: Manifest, path: Path) -> bool:
    """Draw up to 24 pairs of images that are the same, or nearly so, across parts: the closest first.

    Args:
        report: The leak check's.
        manifest: The images it looked at.
        path: The PNG file.

    Returns:
        Whether there was a pair to draw; without one no file is written.
    """
    pairs = (report.identical_pairs + report.near_pairs)[:SHOWN_PAIRS]
    if not pairs:
        return False
    rows = -(-len(pairs) // _PAIRS_PER_ROW)
    columns = min(len(pairs), _PAIRS_PER_ROW)
    figure = Figure(figsize=(3.5 * columns, 0.4 + 2.35 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subfigures(rows, columns, squeeze=False, wspace=0.02)
    for pair, place in zip(pairs, grid.flat, strict=False):
        same = pair in report.identical_pairs
        place.suptitle("the same file" if same else f"{pair.distance} of 256 bits apart", fontsize=9)
        for axes, row in zip(place.subplots(1, 2), pair[:2], strict=True):
            _draw(axes, report, manifest, row)
    total = len(report.identical_pairs) + report.near_count
    if total > len(pairs):
        shown = f"the closest {len(pairs)} of {total:,}"
    else:
        shown = f"all {total}"
    figure.suptitle(f"Pairs across parts: {shown}", fontsize=11, fontweight="bold")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return True


def _stop(report: LeakReport, split: SplitConfig) -> None:
    if report.protocol == "paper":
        return
    if report.protocol == "subject" and report.subjects:
        names = _some(report.subjects)
        remedy = "take their images out of one part, or say protocol=image"
        raise UserError(f"subjects in more than one part: {len(report.subjects):,} ({names}): {remedy}")
    if report.identical_pairs:
        others = _more(len(report.identical_pairs))
        remedy = "keep one copy of each, or say protocol=paper, which only warns"
        raise UserError(f"the same file is in two parts: {report._say(report.identical_pairs[0])}{others}: {remedy}")
    if split.near_duplicates == "stop" and report.near_count:
        closest = report.near_pairs[0]
        said = f"{report._say(closest)}, {closest.distance} of 256 bits apart{_more(report.near_count)}"
        raise UserError(f"near-same pictures in two parts: {said}: keep one, or say split.near_duplicates=report")


def _more(pairs: int) -> str:
    return f", and {pairs - 1:,} more such pairs" if pairs > 1 else ""


def _identical_pairs(used: pd.DataFrame) -> Iterator[Pair]:
    copies = used[used.duplicated("sha256", keep=False)]
    for _, group in copies.groupby("sha256", sort=False):
        first = {part: rows.index[0] for part, rows in group.groupby("part")}
        for one, other in combinations([part for part in PARTS if part in first], 2):
            yield Pair(int(first[one]), int(first[other]), 0)


def _conflicting(frame: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    labelled = frame.dropna(subset=["label"])
    copies = labelled[labelled.duplicated("sha256", keep=False)].groupby("sha256", sort=False)
    return tuple(tuple(group["image_id"]) for _, group in copies if group["label"].nunique() > 1)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _draw(axes: Axes, report: LeakReport, manifest: Manifest, row: int) -> None:
    axes.imshow(read_image(manifest.file(row)))
    axes.set_axis_off()
    facts = report.table.loc[row]
    axes.set_title(f"{_short(facts['image_id'])}\n{facts['part']}, {facts['label']}", fontsize=7)


def _short(name: str, length: int = 26) -> str:
    if len(name) <= length:
        return name
    return "…" + name[-length + 1 :]


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
            f"init_from={run} was trained or chosen on {count} of the images that evaluate this run, {first} first: "
            "start from a run of the same fold, split and protocol"
        )
    return count
