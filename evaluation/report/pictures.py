"""The pictures within a page: each once, however many experiments show it, and no more than the page may hold."""

from dataclasses import dataclass, field

import pandas as pd

from common.runs.run import Run
from common.thumbnails import read_pictures
from evaluation.report.sources import Chapter

CLASSLESS = "eigencam"  # a method that knows no class


@dataclass
class PicturePool:
    """Pictures, and where each is.

    Attributes:
        pictures: WebP; no two are the same.
        maps: The kinds of heat maps: ``chapter`` (its number) and ``label`` (method and layer).
        thumbnails: Of each chapter: places by image_id.
        heat: Of each kind of heat maps: places by image_id.
        words: Of each kind of heat maps: what it speaks for, by image_id.
        notes: What is missing or left out, in sentences.
        size: Bytes that the pictures take within the page.
    """

    pictures: list[bytes] = field(default_factory=list)
    maps: list[dict[str, str | int]] = field(default_factory=list)
    thumbnails: list[dict[str, int]] = field(default_factory=list)
    heat: list[dict[str, int]] = field(default_factory=list)
    words: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int = 0
    _places: dict[bytes, int] = field(default_factory=dict)

    def cost(self, pictures: set[bytes]) -> int:
        """Return how many bytes more the page would take with these pictures, as lines of base64."""
        return sum(-(-len(picture) // 3) * 4 + 1 for picture in pictures if picture not in self._places)

    def add(self, picture: bytes) -> int:
        """Put a picture in, where it is not, and return its place."""
        if picture not in self._places:
            self.size += self.cost({picture})
            self._places[picture] = len(self.pictures)
            self.pictures.append(picture)
        return self._places[picture]

    def place_of(self, chapter: int, image_id: str) -> int | None:
        """Return where the picture of an image is: the chapter's own, else that of the first which has it."""
        for places in (self.thumbnails[chapter], *self.thumbnails):
            if image_id in places:
                return places[image_id]
        return None

    def heat_of(self, chapter: int, image_id: str) -> tuple[dict[int, int], dict[int, str]]:
        """Return where the heat maps of an image are, by the number of their kind, and what they speak for."""
        places = {}
        words = {}
        for number, kind in enumerate(self.maps):
            if kind["chapter"] == chapter and image_id in self.heat[number]:
                places[number] = self.heat[number][image_id]
                if image_id in self.words[number]:
                    words[number] = self.words[number][image_id]
        return places, words


def fill_pool(chapters: list[Chapter], chosen: list[str], budget: int) -> tuple[PicturePool, list[str]]:
    """Gather as many pictures as ``budget`` bytes hold: those of the images first, then heat maps.

    Args:
        chapters: Whose runs left the pictures.
        chosen: The image_ids, the most wanted first.
        budget: Bytes.

    Returns:
        The pool, and the image_ids that remain: where the pictures are too large, fewer.
    """
    pool = PicturePool(thumbnails=[{} for _ in chapters])
    available = [_thumbnails(chapter) for chapter in chapters]
    remaining = []
    missing = 0
    for image_id in chosen:
        own = {number: found[image_id] for number, found in enumerate(available) if image_id in found}
        if pool.size + pool.cost(set(own.values())) > budget:
            pool.notes.append(
                f"The page would be too large with more than {len(remaining):,} pictures: see --megabytes."
            )
            break
        remaining.append(image_id)
        missing += not own
        for number, picture in own.items():
            pool.thumbnails[number][image_id] = pool.add(picture)
    command = "python scripts/explain.py thumbnails RUN makes them."
    if not any(available):
        pool.notes.insert(0, f"The runs left no pictures: {command}")
    elif missing:
        pool.notes.append(f"{missing:,} images have no picture: {command}")
    _fill_maps(pool, chapters, set(remaining), budget)
    return pool, remaining


def _thumbnails(chapter: Chapter) -> dict[str, bytes]:
    pictures = {}
    for run in chapter.runs:
        if run.thumbnails.is_file():
            pictures |= read_pictures(run.thumbnails)
    return pictures


def _fill_maps(pool: PicturePool, chapters: list[Chapter], wanted: set[str], budget: int) -> None:
    left_out = []
    for number, chapter in enumerate(chapters):
        kinds: dict[str, dict[str, bytes]] = {}
        words: dict[str, dict[str, str]] = {}
        for run in chapter.runs:
            for path in run.heatmaps:
                found = {name: picture for name, picture in read_pictures(path).items() if name in wanted}
                kinds.setdefault(path.stem, {}).update(found)
                words.setdefault(path.stem, {}).update(heat_words(run, path.stem))
        for label, pictures in kinds.items():
            if pool.size + pool.cost(set(pictures.values())) > budget:
                left_out.append(label)
            elif pictures:
                pool.maps.append({"chapter": number, "label": label})
                pool.heat.append({name: pool.add(picture) for name, picture in pictures.items()})
                pool.words.append(words[label])
    if left_out:
        pool.notes.append(f"Left out, since the page would be too large: heat maps {', '.join(left_out)}.")
    elif not pool.maps:
        pool.notes.append("The runs left no heat maps: python scripts/explain.py heatmaps RUN makes them.")


def heat_words(run: Run, kind: str) -> dict[str, str]:
    """Return for each image_id what its heat map of a method and layer speaks for, where that was written down."""
    paths = [path.with_suffix(".csv") for path in run.heatmaps if path.stem == kind]
    words: dict[str, str] = {}
    for path in paths:
        table = pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else pd.DataFrame()
        if not {"image_id", "target", "empty"} <= set(table.columns):
            continue
        for row in table.itertuples():
            verb = "nothing speaks" if row.empty == "True" else "what speaks"
            words[row.image_id] = "whatever the class" if kind.startswith(CLASSLESS) else f"{verb} for “{row.target}”"
    return words
