"""All pairs of pictures of a data set that show the same cell, and how often the search is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import pandas as pd

from datamodules.io.progress import threaded
from datamodules.manifest.manifest import Manifest
from datamodules.same_cells.candidates import Candidate, candidates, coarser
from datamodules.same_cells.pictures import SIDE, Pictures, read_pictures
from datamodules.same_cells.registration import Layer, Match, register

NEAREST = 5  # pictures that are registered with each one, by each kind of descriptor
OF_OTHER_CLASSES = 2  # likewise of the other classes, which are never the same cell
ALTERED = 200  # altered copies by which the recall is measured
_KEPT_LAYERS = 4096
COLUMNS = ["left", "right", "turn", "scale", "mirrored", "outline", "inside", "same"]


@dataclass(frozen=True)
class Search:
    """What was found.

    The tables have COLUMNS: the numbers of both pictures, the rotation (``turn``, degrees) and scale, whether the other
    is mirrored, how far the outlines overlap and the textures inside agree, and whether it is the same cell.
    """

    pictures: int
    pairs: pd.DataFrame  # of different files that were registered and whose outlines fit, the best match of each
    of_two_classes: pd.DataFrame  # likewise, of the nearest pictures of two classes
    compared: int  # pairs of pictures that the descriptors compared
    compared_classes: int  # of these pairs of pictures of two classes
    recall: dict[str, float]  # the share of altered copies that were found, by how they were altered

    @property
    def same(self) -> pd.DataFrame:
        """The pairs that show the same cell, nearest first."""
        return self.pairs[self.pairs["same"]].sort_values("inside", ascending=False, kind="stable", ignore_index=True)

    @property
    def measures(self) -> dict[str, float]:
        """What was compared and found, and how often the search is wrong."""
        wrong = self.of_two_classes
        return {
            "pictures": self.pictures,
            "pairs of pictures compared at every angle": self.compared,
            "pairs that show the same cell": len(self.same),
            "pairs of two classes, which are never one cell": self.compared_classes,
            "of these taken for one cell": int(wrong["same"].sum()),
            "highest agreement of two classes": round(float(wrong["inside"].max()), 3) if len(wrong) else float("nan"),
            **{f"altered copies found, {how}": share for how, share in self.recall.items()},
        }


def search(manifest: Manifest, progress: bool = False) -> Search:
    """Search all pictures of a manifest for cells that another picture shows, too; identical files count once."""
    rows = manifest.frame.index[~manifest.frame["sha256"].duplicated()].to_numpy()
    pictures = read_pictures(manifest, rows, progress)
    labels = pd.factorize(manifest.frame["label"].iloc[rows], use_na_sentinel=False)[0]
    pairs = registered(pictures, candidates(pictures, NEAREST), progress)
    wrong = registered(pictures, candidates(pictures, OF_OTHER_CLASSES, labels), progress)
    for table in (pairs, wrong):
        for side in ("left", "right"):
            table[side] = rows[table[side].to_numpy(np.int64)]
    sizes = np.bincount(labels)
    compared = len(rows) * (len(rows) - 1) // 2
    within = int((sizes * (sizes - 1) // 2).sum())
    return Search(len(rows), pairs, wrong, compared, compared - within, recall(pictures, progress))


def registered(pictures: Pictures, found: Sequence[Candidate], progress: bool = False) -> pd.DataFrame:
    """Return the best match of each two pictures whose outlines fit: COLUMNS, by the numbers of the pictures."""

    @lru_cache(_KEPT_LAYERS)
    def layers(number: int) -> tuple[Layer, Layer]:
        """Return a picture at both resolutions."""
        green, content = pictures.green[number], pictures.content[number]
        return Layer(*coarser(green, content)), Layer(green.astype(np.float32), content)

    def match(candidate: Candidate) -> Match | None:
        """Register two pictures; None where they cannot be laid on each other."""
        laid = register(layers(candidate.one), layers(candidate.other), candidate.turn, candidate.mirrored)
        return None if laid is None else laid[0]

    ordered = sorted(found)
    matches = threaded(match, ordered, len(ordered), f"registering {len(ordered):,} pairs", progress)
    table = []
    for candidate, laid in zip(ordered, matches, strict=True):
        if laid is not None and laid.fits:
            scale = float(np.sqrt(np.prod(laid.scales)))
            row = (laid.turn, scale, laid.mirrored, laid.outline, laid.inside, laid.is_same)
            table.append((candidate.one, candidate.other, *row))
    best = pd.DataFrame(table, columns=COLUMNS).sort_values("inside", ascending=False, kind="stable")
    return best.drop_duplicates(["left", "right"]).sort_values(["left", "right"], ignore_index=True)


def show_same_cell(manifest: Manifest, pairs: np.ndarray) -> np.ndarray:
    """Return which pairs of manifest rows, int64, shape (n, 2), show the same cell, upright both: bool, shape (n,)."""
    rows, numbers = np.unique(pairs, return_inverse=True)
    found = [Candidate(min(pair), max(pair), 0.0, False) for pair in numbers.reshape(-1, 2).tolist()]
    matches = registered(read_pictures(manifest, rows), found)
    same = set(matches.loc[matches["same"], ["left", "right"]].itertuples(index=False, name=None))
    return np.array([(pair.one, pair.other) in same for pair in found], bool)


def recall(pictures: Pictures, progress: bool = False) -> dict[str, float]:
    """Return the share of altered copies of ALTERED pictures that are found among all pictures, by the alteration."""
    random = np.random.default_rng(0)
    count = len(pictures.green)
    chosen = random.choice(count, min(ALTERED, count), replace=False)
    found = {}
    for name, alter in ALTERATIONS.items():
        copies = [alter(pictures.green[row], pictures.content[row], random) for row in chosen]
        both = pictures.with_others(Pictures(*map(np.array, zip(*copies, strict=True))))
        near = candidates(both, NEAREST, first=count)
        own = [pair for pair in near if pair.other >= count and pair.one == chosen[pair.other - count]]
        matches = registered(both, own, progress)
        found[name] = float(matches["same"].sum() / len(chosen))
    return found


Square = tuple[np.ndarray, np.ndarray]  # green and content of a picture


def _turned(green: np.ndarray, content: np.ndarray, random: np.random.Generator) -> Square:
    """Turn a picture by any angle and shift it, in another focus and brightness."""
    onto = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), random.uniform(0, 360), random.uniform(0.95, 1.05))
    onto = onto + np.pad(random.uniform(-4, 4, (2, 1)), ((0, 0), (2, 0)))
    blurred = cv2.GaussianBlur(green, (0, 0), random.uniform(0.5, 1.5))
    turned = cv2.warpAffine(blurred, onto, (SIDE, SIDE)).astype(np.float64)
    noisy = turned * random.uniform(0.8, 1.2) + random.normal(0, 2, turned.shape)
    covered = cv2.warpAffine(content.astype(np.float32), onto, (SIDE, SIDE)) > 0.99
    return (np.clip(noisy, 0, 255) * covered).astype(np.uint8), covered


def _mirrored(green: np.ndarray, content: np.ndarray, random: np.random.Generator) -> Square:
    return _turned(green[:, ::-1].copy(), content[:, ::-1].copy(), random)


def _cut(green: np.ndarray, content: np.ndarray, random: np.random.Generator) -> Square:
    """Turn a picture and cut off 5 to 20 % of the cell along a line; the rest is put into the middle."""
    green, content = _turned(green, content, random)
    y, x = np.nonzero(content)
    angle = random.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    rows, columns = np.indices(content.shape)
    lost = columns * np.cos(angle) + rows * np.sin(angle) > np.quantile(along, 1 - random.uniform(0.05, 0.2))
    kept = content & ~lost
    y, x = np.nonzero(kept)
    onto = np.array([[1, 0, (SIDE - 1) / 2 - x.mean()], [0, 1, (SIDE - 1) / 2 - y.mean()]])
    moved = cv2.warpAffine(kept.astype(np.float32), onto, (SIDE, SIDE)) > 0.99
    return cv2.warpAffine(green * kept, onto, (SIDE, SIDE)) * moved, moved


ALTERATIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], Square]] = {
    "turned by any angle, in another focus": _turned,
    "mirrored and turned": _mirrored,
    "turned, 5 to 20 % cut off": _cut,
}
