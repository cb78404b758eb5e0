"""The result of an evaluation: facts, and every figure in one table of ``metrics.json``."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from karyocyte.common.errors import UserError, typed
from karyocyte.evaluation.types.formats import interval
from karyocyte.runs.predictions import VALIDATION

VERSION = "4.0"  # of metrics.json
REMEDY = "python scripts/evaluate.py RUN --output NEW writes NEW/metrics.json, to be put in its place"
Matrix = list[list[int]]
# Parts of the figures.
TEST = "test"
FOLD_MEAN = "fold mean"
GAIN = "gain"  # of a network over a baseline: the difference of their headline metrics


class Kind(StrEnum):
    """The sections of the figures; what ends with a blank is the beginning of several."""

    AT_HALF = "metrics"
    AT_THRESHOLD = "metrics at threshold"
    BASELINE = "baseline "
    SUBJECTS = "subjects"
    BY_SUBJECT = "subjects by mean"
    CALIBRATED = "calibration"
    SCALED = "calibration scaled"
    SAMPLED = "calibration sampled"
    BY_CHANCE = "calibration by chance"  # what perfect probabilities give
    REFERRAL = "referral"
    VOTES = "votes"
    ADDED = "package "  # what sections of installed packages measure


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval, all None where undefined; ``low`` and ``high`` also where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Write the value and the ends with three digits."""
        return interval(self.value, self.low, self.high)

    def columns(self, name: str) -> dict[str, float | None]:
        """Return cells of a table: ``name``, ``<name>_low`` and ``<name>_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class Interval(Estimate):
    """A figure, and how far it may be off.

    ``n`` counts what may differ: what is drawn (subjects, cells or images), or all of which the value is a share.
    ``method`` is one of ``intervals.methods``, "exact", "binomial", or None without interval.
    """

    n: int = 0
    method: str | None = None

    @property
    def hits(self) -> int:
        """How many of ``n`` a share is."""
        return round((self.value or 0.0) * self.n)


Metrics = dict[str, Interval]  # figures by name; one of a class is ``<name>/<class>``
Figures = dict[tuple[str, str], Metrics]  # all figures, by part and section


def rows_of_figures(figures: Figures) -> list[dict[str, Any]]:
    """Return the table: a row per figure, with its part, section, name and class."""
    rows = []
    for (part, section), metrics in figures.items():
        for key, metric in metrics.items():
            name, _, of_class = key.partition("/")
            rows.append({"part": part, "section": section, "name": name, "class": of_class or None, **asdict(metric)})
    return rows


def _figures_of_rows(value: object) -> object:
    """Return what ``rows_of_figures`` was made of, a row in place of each figure; figures stay as they are."""
    if not isinstance(value, list):
        return value
    figures: dict[tuple[str, str], dict[str, object]] = {}
    try:
        for row in value:
            name = "/".join(filter(None, (row["name"], row["class"])))
            figures.setdefault((row["part"], row["section"]), {})[name] = row
    except (KeyError, TypeError) as error:
        raise ValueError(f"a row lacks {error}") from error
    return figures


@dataclass(frozen=True)
class OperatingPoint:
    """From which probability on (``value``, 0 to 1) an image is predicted positive; ``reason``: why there is no value.

    Sensitivity and specificity (0 to 1) are those of the images that it was chosen on.
    """

    value: float | None
    method: str
    reason: str | None = None
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True)
class PartResult:
    """The labelled test or validation images, and how they are predicted at 0.5 and at the threshold of validation.

    Confusions have shape (K, K), rows the truth. Numbers of subjects are None where none is known; ``drawn`` is what
    intervals take for independent: "subjects", "cells" or "images".
    """

    images: int
    unlabelled: int
    subjects: int | None
    drawn: str
    class_counts: dict[str, int]
    class_subjects: dict[str, int] | None
    confusion: Matrix
    confusion_at_threshold: Matrix | None


@dataclass(frozen=True)
class ReliabilityBin:
    """Probabilities of the predicted class from ``low`` to ``high``: their mean and the accuracy (None where empty)."""

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class CalibrationResult:
    """The temperatures that are fitted on validation, one for each fold, and reliability by section of the figures.

    ``reason`` says why there is no temperature, or why it is at an end of its range.
    """

    temperatures: list[float | None]
    reason: str | None
    reliability: dict[str, list[ReliabilityBin]]


@dataclass(frozen=True)
class ConfidenceCut:
    """Predictions with a calibrated probability below ``cut`` are referred (None: all are).

    So many of the validation ``images`` are ``kept``, with this ``accuracy`` and its exact one-sided ``lower_bound``.
    """

    cut: float | None
    images: int
    kept: int
    accuracy: float | None
    lower_bound: float | None


@dataclass(frozen=True)
class EvaluationWarning:
    """What limits the results; ``topic`` is a part or a section, a key of packages, or "" where it is about all."""

    topic: str
    text: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.topic}: {self.text}".removeprefix(": ")


def warnings_about(topic: str, texts: Iterable[str]) -> list[EvaluationWarning]:
    """Return a warning of this topic for each text."""
    return [EvaluationWarning(topic, text) for text in texts]


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """The evaluation of one run, or of the folds of one experiment; None: what does not apply, or cannot be evaluated.

    ``about`` holds facts of the run (lists where folds differ), ``settings`` the fields of ``EvaluationConfig``,
    ``figures`` all that was measured, ``thresholds`` and ``referral`` what each fold chose on validation,
    ``confusions`` those of test images that sections of installed packages predict in another way.
    """

    about: dict[str, Any]
    classes: list[str]
    positive_class: str | None
    settings: dict[str, Any]
    thresholds: list[OperatingPoint]
    test: PartResult
    validation: PartResult | None = None
    calibration: CalibrationResult | None = None
    referral: list[ConfidenceCut] | None = None
    confusions: dict[str, Matrix] = field(default_factory=dict)
    warnings: list[EvaluationWarning] = field(default_factory=list)
    figures: Annotated[Figures, BeforeValidator(_figures_of_rows), PlainSerializer(rows_of_figures)] = field(
        default_factory=dict
    )

    @property
    def confidence(self) -> float:
        """How often an interval should hold the truth, 0 to 1."""
        return float(self.settings["confidence"])

    @property
    def has_folds(self) -> bool:
        """Whether several folds are evaluated together."""
        return len(self.thresholds) > 1

    @property
    def metrics(self) -> Metrics:
        """The metrics of the test images, at 0.5 or by the most probable class."""
        return self.of()

    def of(self, section: str = Kind.AT_HALF, part: str = TEST) -> Metrics:
        """Return the figures of a section by name; {} where there are none."""
        return self.figures.get((part, section), {})

    def sections(self, prefix: str, part: str = TEST) -> dict[str, Metrics]:
        """Return the figures of all sections that begin so, by the remainder of their names."""
        found = {}
        for (each, section), metrics in self.figures.items():
            if each == part and section.startswith(prefix):
                found[section.removeprefix(prefix)] = metrics
        return found

    def chosen(self, section: str, name: str) -> list[float | None]:
        """Return what the validation images of each fold gave."""
        found = []
        for (part, each), metrics in self.figures.items():
            if part.startswith(VALIDATION) and each == section:
                found.append(metrics[name].value)
        return found

    def warnings_except(self, topic: str) -> list[EvaluationWarning]:
        """Return the warnings of other topics."""
        return [warning for warning in self.warnings if warning.topic != topic]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able content of ``metrics.json``."""
        return {"version": VERSION, **_ADAPTER.dump_python(self, mode="json", by_alias=True)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "EvaluationResult":
        """Read what ``to_dict`` returned.

        Raises:
            UserError: It is of another version, or a key is absent or holds another type of value.
        """
        if content.get("version") != VERSION:
            raise UserError(f"metrics.json is not of version {VERSION}: {REMEDY}")
        return typed(cls, content, "no result of an evaluation", REMEDY)


_ADAPTER = TypeAdapter(EvaluationResult)
