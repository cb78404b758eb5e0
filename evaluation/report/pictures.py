"""The pictures within a page: each once, however many experiments show it, and no more than the page may hold."""

from dataclasses import dataclass, field

from evaluation.report.sources import Chapter


@dataclass
class PicturePool:
    """Pictures, and where each is.

    Attributes:
        pictures: WebP; no two are the same.
        maps: The kinds of heat maps: ``chapter`` (its number) and ``label`` (method and layer).
        notes: What is missing or left out, in sentences.
        size: Bytes that the pictures take within the page.
    """

    pictures: list[bytes] = field(default_factory=list)
    maps: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int = 0
    _places: dict[bytes, int] = field(default_factory=dict)
    _thumbnails: dict[tuple[int, str], int] = field(default_factory=dict)
    _first: dict[str, int] = field(default_factory=dict)
    _heatmaps: dict[tuple[int, str], dict[int, int]] = field(default_factory=dict)
    _words: dict[tuple[int, str], dict[int, str]] = field(default_factory=dict)

    def cost(self, pictures: list[bytes]) -> int:
        """Return how many bytes more the page would take with these pictures."""
        return sum(_size(picture) for picture in {*pictures} if picture not in self._places)

    def add(self, picture: bytes) -> int:
        """Put a picture in, where it is not, and return its place."""
        if picture not in self._places:
            self._places[picture] = len(self.pictures)
            self.pictures.append(picture)
            self.size += _size(picture)
        return self._places[picture]

    def add_thumbnails(self, chapter: int, pictures: dict[str, bytes]) -> None:
        """Put in a chapter's pictures of images."""
        for image_id, picture in pictures.items():
            self._thumbnails[chapter, image_id] = self.add(picture)
            self._first.setdefault(image_id, self._thumbnails[chapter, image_id])

    def add_maps(self, chapter: int, label: str, pictures: dict[str, bytes], words: dict[str, str]) -> None:
        """Put in a chapter's heat maps of one kind, and what each speaks for."""
        number = len(self.maps)
        self.maps.append({"chapter": chapter, "label": label})
        for image_id, picture in pictures.items():
            self._heatmaps.setdefault((chapter, image_id), {})[number] = self.add(picture)
            if image_id in words:
                self._words.setdefault((chapter, image_id), {})[number] = words[image_id]

    def place_of(self, chapter: int, image_id: str) -> int | None:
        """Return where the picture of an image is: the chapter's own, else that of the first who has one."""
        return self._thumbnails.get((chapter, image_id), self._first.get(image_id))

    def maps_of(self, chapter: int, image_id: str) -> dict[int, int]:
        """Return where the heat maps of an image are, by the number of their kind."""
        return self._heatmaps.get((chapter, image_id), {})

    def words_of(self, chapter: int, image_id: str) -> dict[int, str]:
        """Return what the heat maps of an image speak for, by the number of their kind."""
        return self._words.get((chapter, image_id), {})


def fill(pool: PicturePool, chapters: list[Chapter], chosen: list[str], budget: int) -> tuple[PicturePool, list[str]]:
    """Put in as many pictures as ``budget`` bytes hold: those of the images first, then heat maps.

    Args:
        pool: An empty one.
        chapters: Whose runs left the pictures.
        chosen: The image_ids, the most wanted first.
        budget: Bytes.

    Returns:
        The pool, and the image_ids that remain: where the pictures are too large, fewer.
    """
    thumbnails = [_of_runs(chapter, "thumbnails", chosen) for chapter in chapters]
    if not any(thumbnails):
        pool.notes.append("The runs left no pictures: python scripts/explain.py thumbnails RUN makes them.")
    kept = _affordable(thumbnails, chosen, budget)
    if len(kept) < len(chosen):
        pool.notes.append(f"The page would be too large with more than {len(kept):,} pictures: see --megabytes.")
    wanted = set(kept)
    for number, found in enumerate(thumbnails):
        pool.add_thumbnails(number, {name: picture for name, picture in found.items() if name in wanted})
    without = sum(all(name not in found for found in thumbnails) for name in kept)
    if without and any(thumbnails):
        pool.notes.append(f"{without:,} images have no picture: python scripts/explain.py thumbnails RUN makes them.")
    _fill_maps(pool, chapters, wanted, budget)
    return pool, kept


def _fill_maps(pool: PicturePool, chapters: list[Chapter], wanted: set[str], budget: int) -> None:
    left_out = []
    for number, chapter in enumerate(chapters):
        kinds: dict[str, dict[str, bytes]] = {}
        for source in chapter.sources:
            for label, found in source.heatmaps().items():
                kinds.setdefault(label, {}).update({name: one for name, one in found.items() if name in wanted})
        for label, found in kinds.items():
            if found and pool.size + pool.cost(list(found.values())) <= budget:
                words = {name: said for one in chapter.sources for name, said in one.heat_words(label).items()}
                pool.add_maps(number, label, found, words)
            elif found:
                left_out.append(label)
    if left_out:
        pool.notes.append(f"Left out, since the page would be too large: heat maps {', '.join(left_out)}.")
    if not pool.maps and not left_out:
        pool.notes.append("The runs left no heat maps: python scripts/explain.py heatmaps RUN makes them.")


def _of_runs(chapter: Chapter, what: str, chosen: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for source in chapter.sources:
        found |= getattr(source, what)()
    return {name: found[name] for name in chosen if name in found}


def _affordable(thumbnails: list[dict[str, bytes]], chosen: list[str], budget: int) -> list[str]:
    """Return as many of the images as fit with all their pictures."""
    seen: set[bytes] = set()
    size = 0
    for place, name in enumerate(chosen):
        new = {found[name] for found in thumbnails if name in found} - seen
        size += sum(map(_size, new))
        if size > budget:
            return chosen[:place]
        seen |= new
    return chosen


def _size(picture: bytes) -> int:
    """Bytes of a picture as base64, with the end of its line."""
    return -(-len(picture) // 3) * 4 + 1
