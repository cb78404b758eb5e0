"""The blocks of a page, tables and drawings, each with a sentence on how to read it; and how numbers are written."""

from dataclasses import dataclass, field

from evaluation.core import formats
from evaluation.result import EvaluationResult, Interval, Share

# Names of the metrics in tables, and what each measures; the last three are of one class.
METRICS = {
    "accuracy": ("accuracy", "share of the images that are predicted right"),
    "balanced_accuracy": ("balanced accuracy", "mean of the classes' recalls: every class weighs the same"),
    "f1_weighted": ("weighted F1", "mean of the classes' F1, weighted by their images"),
    "f1_macro": ("macro F1", "mean of the classes' F1: every class weighs the same"),
    "auc": ("AUC", "0.5 is chance, 1 is perfect; it depends on no threshold"),
    "average_precision": ("average precision", "area under the precision-recall curve"),
    "sensitivity": ("sensitivity", "of the “{positive}” images, the share that is recognised"),
    "specificity": ("specificity", "of the “{negative}” images, the share that is recognised"),
    "ece": ("ECE", "how far the stated probabilities are off, on average"),
    "brier": ("Brier score", "mean squared error of the probabilities"),
    "nll": ("negative log-likelihood", "punishes predictions that are sure and wrong"),
    "precision": ("precision of “{name}”", "of the images predicted “{name}”, the share that really are"),
    "recall": ("recall of “{name}”", "of the “{name}” images, the share that is recognised"),
    "f1": ("F1 of “{name}”", "one figure for its precision and recall"),
}


@dataclass(frozen=True)
class Table:
    """A table: cells by column, the same columns in each row; the first cell may have a second line, a note.

    ``text_columns`` are aligned left like the first; numbers are aligned right.
    """

    caption: str
    reading: str
    rows: list[dict[str, str]]
    text_columns: tuple[str, ...] = ()


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
        return bool(self.tables or self.figures or self.intro)


def metric_title(metric: str) -> str:
    """Return a metric's name in words; unknown ones keep their names."""
    kind, _, name = metric.partition("/")
    title, _ = METRICS.get(kind, (metric.replace("_", " "), ""))
    return title.replace("{name}", name)


def metric_cell(metric: str, result: EvaluationResult) -> str:
    """Return a metric's name in words and, on a second line, what it measures."""
    kind, _, name = metric.partition("/")
    _, meaning = METRICS.get(kind, ("", ""))
    negatives = [other for other in result.classes if other != result.positive_class]
    meaning = meaning.replace("{name}", name).replace("{positive}", result.positive_class or "")
    return f"{metric_title(metric)}\n{meaning.replace('{negative}', negatives[0])}"


def interval(measured: Interval | Share | None, sign: str = "") -> str:
    """Write a value and, in brackets, the ends of its interval."""
    if measured is None:
        return "undefined"
    return formats.interval(measured.value, measured.low, measured.high, sign)


def per_cent(share: float) -> str:
    """Write a share as per cent with one digit."""
    return f"{100 * share:.1f} %"


def count(images: int | None) -> str:
    """Write a number of images or subjects."""
    if images is None:
        return "unknown"
    return f"{images:,}"
