"""What a page is made of: tables and figures, each with a sentence on how to read it."""

from dataclasses import dataclass, field

# How the figures of a table are called in words, and what each is.
WORDS = {
    "accuracy": ("accuracy", "share of the images that are called rightly"),
    "balanced_accuracy": ("balanced accuracy", "mean of the classes' recalls: every class weighs the same"),
    "f1_weighted": ("weighted F1", "mean of the classes' F1, weighted by their images"),
    "f1_macro": ("macro F1", "mean of the classes' F1: every class weighs the same"),
    "auc": ("AUC", "0.5 is chance, 1 is perfect; it depends on no threshold"),
    "average_precision": ("average precision", "area under the precision-recall curve"),
    "sensitivity": ("sensitivity", "of the “{positive}” images, the share that is called so"),
    "specificity": ("specificity", "of the “{negative}” images, the share that is called so"),
    "ece": ("ECE", "how far the stated probabilities are off, on average"),
    "brier": ("Brier score", "mean squared error of the probabilities"),
    "nll": ("negative log-likelihood", "punishes calls that are sure and wrong"),
}
OF_CLASS = {
    "precision": ("precision of “{name}”", "of the images called “{name}”, the share that is so"),
    "recall": ("recall of “{name}”", "of the “{name}” images, the share that is called so"),
    "f1": ("F1 of “{name}”", "one figure for its precision and recall"),
}


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        name: Its head.
        cells: The other columns.
        note: A few words below the head.
    """

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
        words: Columns of text, which stand left; figures stand right.
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
    """What stands below one heading.

    Attributes:
        title: The heading.
        name: Of the anchor, unlike every other on the page.
        blocks: Tables, figures and lines of text, in their order; ``figures`` side by side where there is room.
        intro: Sentences before them.
    """

    title: str
    name: str
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    intro: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.tables or self.figures or self.intro)


def number(value: float | None, sign: str = "") -> str:
    """Write a figure with three digits; "undefined" where there is none."""
    if value is None:
        return "undefined"
    return f"{value:{sign}.3f}"


def interval(found: dict | None, sign: str = "") -> str:
    """Write the fields of an ``Interval`` or of an exact share: value and, in brackets, its ends."""
    if found is None or found.get("value") is None:
        return "undefined"
    low = found.get("low")
    high = found.get("high")
    if low is None or high is None:
        ends = ""
    else:
        ends = f" ({low:{sign}.3f} to {high:{sign}.3f})"
    return number(found["value"], sign) + ends


def words_of(metric: str, classes: list[str], positive: str | None) -> tuple[str, str]:
    """Return a metric's name in words, and what it is; unknown ones keep their names."""
    kind, _, name = metric.partition("/")
    if name and kind in OF_CLASS:
        title, meaning = OF_CLASS[kind]
        return title.replace("{name}", name), meaning.replace("{name}", name)
    title, meaning = WORDS.get(metric, (metric.replace("_", " "), ""))
    negative = next((one for one in classes if one != positive), "")
    return title, meaning.replace("{positive}", positive or "").replace("{negative}", negative)


def per_cent(share: float) -> str:
    """Write a share as per cent with one digit."""
    return f"{100 * share:.1f} %"


def confidence(judgement: dict) -> str:
    """Write how often an interval should hold the truth."""
    return f"{100 * judgement['settings']['confidence']:.4g} %"
