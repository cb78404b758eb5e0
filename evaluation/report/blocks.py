"""What a page is made of: tables and figures, each with a sentence on how to read it."""

from dataclasses import dataclass, field

from evaluation.result import Interval, Share

# Names of the metrics in tables, and what each measures.
WORDS = {
    "accuracy": ("accuracy", "share of the images that are predicted right"),
    "balanced_accuracy": ("balanced accuracy", "mean of the classes' recalls: every class weighs the same"),
    "f1_weighted": ("weighted F1", "mean of the classes' F1, weighted by their images"),
    "f1_macro": ("macro F1", "mean of the classes' F1: every class weighs the same"),
    "auc": ("AUC", "0.5 is chance, 1 is perfect; it depends on no threshold"),
    "average_precision": ("average precision", "area under the precision-recall curve"),
    "sensitivity": ("sensitivity", "of the “{positive}” images, the share that is predicted so"),
    "specificity": ("specificity", "of the “{negative}” images, the share that is predicted so"),
    "ece": ("ECE", "how far the stated probabilities are off, on average"),
    "brier": ("Brier score", "mean squared error of the probabilities"),
    "nll": ("negative log-likelihood", "punishes predictions that are sure and wrong"),
}
OF_CLASS = {
    "precision": ("precision of “{name}”", "of the images predicted “{name}”, the share that is so"),
    "recall": ("recall of “{name}”", "of the “{name}” images, the share that is predicted so"),
    "f1": ("F1 of “{name}”", "one figure for its precision and recall"),
}


@dataclass(frozen=True)
class Row:
    """A line of a table: its head, the other columns, and a few words below the head."""

    name: str
    cells: list[str]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        reading: How to read it, in a sentence or two.
        columns: All heads, that of the first column first.
        rows: The lines.
        words: Columns of text, which are aligned left; figures are aligned right.
    """

    caption: str
    reading: str
    columns: list[str]
    rows: list[Row]
    words: tuple[int, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing.

    Attributes:
        caption: What it shows.
        reading: How to read it.
        alt: What it says, for those who cannot see it.
        source: A data URI.
        wide: Whether it needs the whole width of a page, and rolls sideways on a phone.
    """

    caption: str
    reading: str
    alt: str
    source: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """The content below one heading: sentences, then tables, then figures side by side where there is room.

    Attributes:
        title: The heading.
        name: Of the anchor, unlike every other on the page.
        tables: Tables.
        figures: Figures.
        intro: Sentences.
    """

    title: str
    name: str
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    intro: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.tables or self.figures or self.intro)


def number(value: float | None, sign: str = "", undefined: str = "undefined") -> str:
    """Write a figure with three digits."""
    if value is None:
        return undefined
    return f"{value:{sign}.3f}"


def interval(found: Interval | Share | None, sign: str = "") -> str:
    """Write a value and, in brackets, the ends of its interval."""
    if found is None or found.value is None:
        return "undefined"
    if found.low is None or found.high is None:
        return number(found.value, sign)
    return f"{number(found.value, sign)} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


def words_of(metric: str, classes: list[str] | None = None, positive: str | None = None) -> tuple[str, str]:
    """Return a metric's name in words, and what it measures; unknown ones keep their names."""
    kind, _, name = metric.partition("/")
    if name and kind in OF_CLASS:
        title, meaning = OF_CLASS[kind]
        return title.replace("{name}", name), meaning.replace("{name}", name)
    title, meaning = WORDS.get(metric, (metric.replace("_", " "), ""))
    negative = next((one for one in classes or () if one != positive), "")
    return title, meaning.replace("{positive}", positive or "").replace("{negative}", negative)


def per_cent(share: float) -> str:
    """Write a share as per cent with one digit."""
    return f"{100 * share:.1f} %"


def count(images: int | None) -> str:
    """Write a number of images or subjects."""
    if images is None:
        return "unknown"
    return f"{images:,}"
