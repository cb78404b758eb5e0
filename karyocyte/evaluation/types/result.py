"""The results of an evaluation as dataclasses, whose fields are the keys of ``metrics.json``, in its order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, ValidationError

from karyocyte.common.errors import UserError, first_fault
from karyocyte.common.installed import entries
from karyocyte.evaluation.types.formats import interval

Matrix = list[list[int]]
# What a warning is about; others are about the whole evaluation.
OF_PARTS = ("test", "validation", "fold mean", "cells", "subgroups")
TOPICS = (*OF_PARTS, "training", "leak", "another set", "calibration", "triage")
# Keys of metrics.json that only one run, or only several folds, have.
OPTIONAL = ("validation", "folds", "fold_means")


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval, all None where undefined; ``low`` and ``high`` also where there is none."""

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Write the value and the ends with three digits."""
        return interval(self.value, self.low, self.high)

    def columns(self, name: str) -> dict[str, float | None]:
        """Return cells of a table: ``name``, ``<name>_low`` and ``<name>_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class Interval(Estimate):
    """The value of a metric on all images, and how far it may be off; undefined on so many of the resamples.

    ``method`` is one of ``intervals.methods``, "exact", "binomial", or None without interval.
    """

    method: str | None
    resamples: int
    undefined: int
    clusters: int


@dataclass(frozen=True)
class Share(Estimate):
    """A share of images, ``hits`` of ``total``, with its exact interval."""

    hits: int
    total: int


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
class FoldThresholds:
    """The thresholds of several folds: their values, the method, and the first reason why there is none."""

    value: list[float | None]
    method: str
    reason: str | None = None


@dataclass(frozen=True)
class PartResult:
    """The metrics by name of the labelled test or validation images, at 0.5 and at the threshold of validation.

    Confusions have shape (K, K), rows the truth. Numbers of subjects are None where none is known; ``drawn`` is what
    intervals take for independent: "subjects", "cells" or "images".
    """

    images: int
    unlabelled: int
    subjects: int | None
    drawn: str
    class_counts: dict[str, int]
    class_subjects: dict[str, int] | None
    metrics: dict[str, Interval]
    confusion: Matrix
    metrics_at_threshold: dict[str, Interval] | None
    confusion_at_threshold: Matrix | None


@dataclass(frozen=True)
class PartSummary:
    """The chosen weights on the images of a part: plain mean cross-entropy in nats, and accuracy (0 to 1) at 0.5.

    Without dropout and augmentation; of folds the means.
    """

    images: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class FoldMetrics:
    """The plain values of one fold's test metrics, at 0.5 and at its own threshold (None where it has none)."""

    metrics: dict[str, float | None]
    metrics_at_threshold: dict[str, float | None] | None


@dataclass(frozen=True)
class FoldMeans:
    """The means over the folds with their intervals, of value None where a fold's is undefined."""

    metrics: dict[str, Interval]
    metrics_at_threshold: dict[str, Interval] | None


@dataclass(frozen=True)
class ClassResult:
    """One class of more than two: its test images, their recall (0 to 1), and the most frequent wrong prediction.

    ``..._assigned``: by the other confusion matrix that a section of an installed package has; None without one.
    """

    name: Annotated[str, Field(alias="class")]
    images: int
    recall: float | None
    mistaken_for: str | None
    recall_assigned: float | None
    mistaken_for_assigned: str | None


@dataclass(frozen=True)
class KindResult:
    """The test images of one class and kind (None where it is unknown): how many are predicted right."""

    name: Annotated[str, Field(alias="class")]
    kind: str | None
    images: int
    recall: Share
    recall_at_threshold: Share | None


@dataclass(frozen=True)
class SubjectRuleResult:
    """One way to predict a subject from its images, at what validation chose (None: 0.5, or more than two classes)."""

    metrics: dict[str, Interval]
    confusion: Matrix
    threshold: float | None | list[float | None]


@dataclass(frozen=True)
class SubjectsResult:
    """Predictions of test subjects: how many, how many with images of several classes are left out, and by rule."""

    subjects: int
    left_out: int
    rules: dict[str, SubjectRuleResult]


@dataclass(frozen=True)
class SubgroupResult:
    """The test images of one ``group``, as divided ``by`` "fold", "group", "size" or "kind"; metrics are at 0.5."""

    by: str
    group: str
    images: int
    subjects: int | None
    class_counts: dict[str, int]
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class SensitivityResult:
    """What threshold keeps a requested sensitivity (0 to 1) on validation (lists for folds), and its test metrics."""

    wished: float
    threshold: float | list[float]
    validation: dict[str, float | list[float]]
    sensitivity: Interval
    specificity: Interval


@dataclass(frozen=True)
class ReliabilityBin:
    """Probabilities of the predicted class from ``low`` to ``high``: their mean and the accuracy (None where empty)."""

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class CalibratedError:
    """The calibration error of so many images if every probability were right: mean and 95 % quantile of draws."""

    mean: float
    high: float


@dataclass(frozen=True, kw_only=True)
class CalibrationMetrics:
    """Expected calibration error, Brier score and negative log-likelihood of probabilities, with their intervals."""

    ece: float
    brier: float
    nll: float
    intervals: dict[str, Interval]
    ece_if_calibrated: CalibratedError
    reliability: list[ReliabilityBin]


@dataclass(frozen=True)
class CalibrationResult:
    """The calibration of the test images, as trained and with a temperature fitted on validation (a list for folds).

    ``reason`` says why there is no temperature, or why it is at an end of its range; ``sampled`` is of mean passes.
    """

    bins: int
    binning: str
    temperature: float | None | list[float | None]
    reason: str | None
    images: int
    before: CalibrationMetrics
    after: CalibrationMetrics | None
    sampled: CalibrationMetrics | None


@dataclass(frozen=True, kw_only=True)
class RiskCoverageResult:
    """The area under a risk-coverage curve, its excess over the best order, and the wrong predictions among images."""

    aurc: float
    e_aurc: float
    wrong: int
    images: int
    interval: Interval


@dataclass(frozen=True)
class Release:
    """Below ``threshold`` (None where validation lacks a class) an image is released as negative without a person.

    ``sensitivity`` is the share of the positive validation images that are kept, ``lower_bound`` its exact one-sided
    bound, which ``needed`` positive images, all kept, would bring to the requested sensitivity.
    """

    threshold: float | None
    positives: int
    kept: int
    sensitivity: float | None
    lower_bound: float | None
    needed: int


@dataclass(frozen=True)
class ReleaseResult:
    """The release of each fold, as chosen on validation, and the sensitivity of all on test."""

    validation: list[Release]
    test: Share


@dataclass(frozen=True)
class TriageRuleResult:
    """What a rule of triage does, a person being right on every image of ``review``.

    Below ``cut`` (a list for folds) an image is released. The accuracy is that of images decided
    ``alone``, with ``missed`` positives and ``false_alarms``, the sensitivity that of person and machine together.
    """

    rule: str
    text: str
    cut: float | None | list[float]
    images: int
    review: int
    review_share: float
    alone: int
    accuracy: Share
    missed: int
    false_alarms: int
    sensitivity: Share


@dataclass(frozen=True)
class UnseenResult:
    """The ``positive`` and ``negative`` subjects all of whose test images the release leaves without review.

    ``upper`` is the exact one-sided upper limit of the share of positive subjects. ``positive_images`` and
    ``negative_images`` are the mean shares of a subject's images that are left without review; None of no subject.
    """

    positive: Share
    negative: Share
    upper: float
    positive_images: float | None
    negative_images: float | None


@dataclass(frozen=True)
class TriageResult:
    """Triage of the test images: areas by confidence, the release, every rule, and subjects (None: unknown)."""

    risk_coverage: dict[str, RiskCoverageResult]
    release: ReleaseResult
    rules: list[TriageRuleResult]
    unseen: UnseenResult | None


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
class ReferralResult:
    """Referral by the confidence of the prediction: what each fold chose on validation, and what it does on test.

    ``accuracy`` is the target, ``referred`` a share of the test images, ``correct`` one of the others.
    """

    accuracy: float
    validation: list[ConfidenceCut]
    referred: Share
    correct: Share


@dataclass(frozen=True)
class EvaluationWarning:
    """What limits the results; ``topic`` is one of TOPICS, a key of packages, or "" where it is about all of them."""

    topic: str
    text: str

    def __str__(self) -> str:
        """Return the line of ``metrics.json``."""
        return f"{self.topic}: {self.text}".removeprefix(": ")

    @classmethod
    def parse(cls, line: str) -> "EvaluationWarning":
        """Read a line of ``metrics.json``."""
        topic, separator, text = line.partition(": ")
        if separator and topic in (*TOPICS, *entries("results")):
            return cls(topic, text)
        return cls("", line)


def warnings_about(topic: str, texts: Iterable[str]) -> list[EvaluationWarning]:
    """Return a warning of this topic for each text."""
    return [EvaluationWarning(topic, text) for text in texts]


def _parsed(value: object) -> object:
    return EvaluationWarning.parse(value) if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """The evaluation of one run, or of the folds of one experiment; None: what does not apply, or cannot be evaluated.

    ``about`` holds facts of the run (lists where folds differ), ``settings`` the fields of ``EvaluationConfig``,
    ``baseline`` the test metrics of each of ``baseline.BASELINES``, and ``more`` the values of sections of installed
    packages by their keys in ``metrics.json``, which has null for the others of ``karyocyte.results``.
    """

    about: dict[str, Any]
    classes: list[str]
    positive_class: str | None
    settings: dict[str, Any]
    threshold: OperatingPoint | FoldThresholds
    test: PartResult
    validation: PartResult | None = None
    folds: list[FoldMetrics] | None = None
    fold_means: FoldMeans | None = None
    by_part: dict[str, PartSummary] = field(default_factory=dict)
    baseline: dict[str, dict[str, Interval]] | None = None
    per_class: list[ClassResult] | None = None
    more: dict[str, Any] = field(default_factory=dict)
    per_kind: list[KindResult] | None = None
    by_subject: SubjectsResult | None = None
    subgroups: list[SubgroupResult] = field(default_factory=list)
    operating_points: list[SensitivityResult] | None = None
    calibration: CalibrationResult | None = None
    triage: TriageResult | None = None
    referral: ReferralResult | None = None
    warnings: list[Annotated[EvaluationWarning, BeforeValidator(_parsed), PlainSerializer(str)]] = field(
        default_factory=list
    )

    @property
    def confidence(self) -> float:
        """How often an interval should hold the truth, 0 to 1."""
        return float(self.settings["confidence"])

    def warnings_except(self, topic: str) -> list[EvaluationWarning]:
        """Return the warnings of other topics."""
        return [warning for warning in self.warnings if warning.topic != topic]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-able content of ``metrics.json``."""
        content: dict[str, Any] = {}
        for key, value in _ADAPTER.dump_python(self, mode="json", by_alias=True).items():
            if key == "more":
                content |= dict.fromkeys(entries("results")) | value
            elif value is not None or key not in OPTIONAL:
                content[key] = value
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "EvaluationResult":
        """Read what ``to_dict`` returned.

        Raises:
            UserError: A key is absent or holds another type of value.
        """
        more: dict[str, Any] = {}
        try:
            for key, entry in entries("results").items():
                if content.get(key) is not None:
                    more |= entry.load().read({key: content[key]})
            return _ADAPTER.validate_python({**content, "more": more})
        except ValidationError as error:
            raise UserError(f"no result of an evaluation: {first_fault(error)}: evaluate the run again") from error


_ADAPTER = TypeAdapter(EvaluationResult)
