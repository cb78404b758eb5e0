"""The pictures within a page: each once, however many experiments show it, and no more than the page may hold."""

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from common.runs.run import Run
from common.thumbnails import read_pictures
from evaluation.report.sources import Chapter

CLASSLESS = "eigencam"  # a method that knows no class


class HeatMaps(NamedTuple):
    """The heat maps of a method and layer, ``label``: their places in the pool and what they speak for, by image_id."""

    chapter: int
    label: str
    places: dict[str, int]
    words: dict[str, str]


@dataclass
class PicturePool:
    """Pictures, WebP, and where each is: ``thumbnails`` are the places by image_id, of each chapter.

    They take ``size`` bytes within the page, at most ``budget``; ``notes`` say what is missing or left out.
    """

    budget: int
    pictures: dict[bytes, int] = field(default_factory=dict)
    thumbnails: list[dict[str, int]] = field(default_factory=list)
    maps: list[HeatMaps] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, pictures: dict[str, bytes]) -> dict[str, int] | None:
        """Put pictures in, those that are not there, and return their places; None where they are too large."""
        # As lines of base64.
        more = sum(-(-len(picture) // 3) * 4 + 1 for picture in set(pictures.values()) - self.pictures.keys())
        if self.size + more > self.budget:
            return None
        self.size += more
        return {name: self.pictures.setdefault(picture, len(self.pictures)) for name, picture in pictures.items()}

    def place_of(self, chapter: int, image_id: str) -> int | None:
        """Return where the picture of an image is: the chapter's own, else that of the first which has it."""
        for places in (self.thumbnails[chapter], *self.thumbnails):
            if image_id in places:
                return places[image_id]
        return None


def fill_pool(chapters: list[Chapter], chosen: list[str], budget: int) -> tuple[PicturePool, list[str]]:
    """Gather as many pictures as ``budget`` bytes hold: those of the chosen images first, then heat maps.

    Returns:
        The pool, and the image_ids that remain: where the pictures are too large, the first of the chosen ones.
    """
    pool = PicturePool(budget, thumbnails=[{} for _ in chapters])
    available: list[dict[str, bytes]] = [{} for _ in chapters]
    for pictures, chapter in zip(available, chapters, strict=True):
        for run in chapter.runs:
            if run.thumbnails.is_file():
                pictures |= read_pictures(run.thumbnails)
    remaining: list[str] = []
    missing = 0
    for image_id in chosen:
        own = {str(number): pictures[image_id] for number, pictures in enumerate(available) if image_id in pictures}
        places = pool.add(own)
        if places is None:
            pool.notes.append(
                f"The page would be too large with more than {len(remaining):,} pictures: see --megabytes."
            )
            break
        remaining.append(image_id)
        missing += not own
        for number, place in places.items():
            pool.thumbnails[int(number)][image_id] = place
    command = "python scripts/explain.py thumbnails RUN makes them."
    if not any(available):
        pool.notes.insert(0, f"The runs left no pictures: {command}")
    elif missing:
        pool.notes.append(f"{missing:,} images have no picture: {command}")
    _add_maps(pool, chapters, set(remaining))
    return pool, remaining


def _add_maps(pool: PicturePool, chapters: list[Chapter], wanted: set[str]) -> None:
    left_out = []
    for number, chapter in enumerate(chapters):
        kinds: dict[str, dict[str, bytes]] = {}
        for run in chapter.runs:
            for path in run.heatmaps:
                pictures = kinds.setdefault(path.stem, {})
                pictures |= {name: picture for name, picture in read_pictures(path).items() if name in wanted}
        for label, pictures in kinds.items():
            places = pool.add(pictures)
            if places is None:
                left_out.append(label)
            elif places:
                words: dict[str, str] = {}
                for run in chapter.runs:
                    words |= heat_words(run, label)
                pool.maps.append(HeatMaps(number, label, places, words))
    if left_out:
        pool.notes.append(f"Left out, since the page would be too large: heat maps {', '.join(left_out)}.")
    elif not pool.maps:
        pool.notes.append("The runs left no heat maps: python scripts/explain.py heatmaps RUN makes them.")


def heat_words(run: Run, kind: str) -> dict[str, str]:
    """Return for each image_id what its heat map of a method and layer speaks for, where that was written down."""
    words: dict[str, str] = {}
    for path in run.heatmaps:
        table = path.with_suffix(".csv")
        if path.stem != kind or not table.is_file():
            continue
        frame = pd.read_csv(table, dtype=str, keep_default_na=False)
        if not {"image_id", "target", "empty"} <= set(frame.columns):
            continue
        for row in frame.itertuples():
            verb = "nothing speaks" if row.empty == "True" else "what speaks"
            words[row.image_id] = "whatever the class" if kind.startswith(CLASSLESS) else f"{verb} for “{row.target}”"
    return words
