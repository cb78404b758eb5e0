"""The blocks of a page, tables and drawings; and how numbers are written."""

from dataclasses import dataclass, field

from karyocyte.evaluation.metrics.classification import in_words
from karyocyte.evaluation.types.table import Table


@dataclass(frozen=True)
class Figure:
    """A drawing, a data URI; a ``wide`` one needs the whole width of a page, and scrolls horizontally on a phone."""

    caption: str
    reading: str
    alt: str
    source: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """The content below one heading, ``title``, at the anchor ``name``: sentences, tables, then figures."""

    title: str
    name: str
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    intro: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(any(self.tables) or self.figures or self.intro)


def metric_title(metric: str) -> str:
    """Return a metric's name in words; unknown ones keep their names."""
    return in_words(metric)[0]


def count_words(images: int | None) -> str:
    """Write a number of images or subjects."""
    if images is None:
        return "unknown"
    return f"{images:,}"
