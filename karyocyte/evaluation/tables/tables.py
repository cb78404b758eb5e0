"""The results of an evaluation as typed tables."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import pandas as pd

from karyocyte.common.text import class_sizes, quoted
from karyocyte.evaluation.metrics.classification import METRICS, headline_metric, in_words
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import images_of, number, temperature_of
from karyocyte.evaluation.types.result import Estimate, EvaluationResult, FoldThresholds, TriageResult
from karyocyte.evaluation.types.table import Named, Row, Table

THRESHOLDS = {
    "youden": "the largest sum of sensitivity and specificity",
    "f1": "the largest F1 of the positive class",
    "sensitivity": "the requested sensitivity",
}
SUBGROUP_METRICS = ("accuracy", "sensitivity", "specificity", "auc", "f1_macro")
EACH_FOLDS = "each fold's own"
FEW_SUBGROUPS = 6  # of one kind in a short table
CLASSES = "Class by class"
MANY_CLASSES = 8  # beyond, a line counts them


def _table(
    result: EvaluationResult, title: str, rows: Iterable[Row], reading: str, *notes: str, **options: object
) -> Table:
    return Table.of(title, rows, reading, notes=notes, confidence=result.confidence, **options)


def result_tables(result: EvaluationResult, short: bool = False) -> list[Table]:
    """Return the tables of how good a model is; ``short``: with few subgroups."""
    tables = [metrics_table(result), baseline_table(result), operating_points_table(result), subjects_table(result)]
    return list(filter(None, [*tables, classes_table(result), *shown(result).tables, subgroups_table(result, short)]))


def confidence_tables(result: EvaluationResult) -> list[Table]:
    """Return the tables of calibration, triage and referral, where there are any."""
    return list(filter(None, (calibration_table(result), triage_table(result), referral_table(result))))


def metric_name(metric: str, result: EvaluationResult) -> Named:
    """Return a metric's key, its name in words and what it measures."""
    words, meaning = in_words(metric, result.classes, result.positive_class)
    return Named(metric, words, meaning)


def captions(result: EvaluationResult) -> tuple[str, ...]:
    """Return what was evaluated, and how thresholds and folds are read, a sentence each."""
    about = result.about
    at_half = " at 0.5" * bool(result.positive_class)
    lines = [_numbers(result)]
    if about.get("images_seen") is not None and about.get("wall_seconds") is not None:
        lines.append(f"training: {about['images_seen']:,} images seen in {about['wall_seconds']:,.0f} s")
    name = headline_metric(result.positive_class)
    for words, metrics in (result.baseline or {}).items():
        lines.append(f"without a network, by {words}: {name} {metrics[name]}")
    if result.threshold.reason:
        lines.append(f"no threshold chosen: {result.threshold.reason}")
    elif result.test.metrics_at_threshold is not None:
        own = f"{EACH_FOLDS}, " if isinstance(result.threshold, FoldThresholds) else ""
        lines.append(f"threshold: {own}chosen on validation ({result.threshold.method})")
    if result.folds:
        lines.append(
            f"left: the {images_of(about)} of {len(result.folds)} folds pooled{at_half}; "
            f"fold mean: the mean over the folds of the metric{at_half}"
        )
    return tuple(lines)


def _numbers(result: EvaluationResult) -> str:
    test = result.test
    counts = test.class_counts
    classes = class_sizes(counts)
    if len(counts) > MANY_CLASSES:
        classes = f"{len(counts)} classes, {min(counts.values()):,} to {max(counts.values()):,} each"
    subjects = "subjects unknown" if test.subjects is None else f"{test.subjects} subjects"
    positive = f"; positive: {quoted(result.positive_class)}" if result.positive_class else ""
    return f"{test.images:,} {images_of(result.about)} ({classes}), {subjects}{positive}"


def metrics_table(result: EvaluationResult, of_classes: bool = True) -> Table:
    """Return the test metrics, a row each, at 0.5 and at the chosen threshold.

    Recalls are sensitivity and specificity; the figures of many classes have a table of their own. Without
    ``of_classes`` there is no metric of a single class.
    """
    test = result.test
    column = "value" if result.positive_class is None else "at 0.5"
    rows = []
    for name, metric in test.metrics.items():
        of_class = "/" in name and not (result.positive_class is not None and of_classes)
        if of_class or name.startswith("recall/"):
            continue
        row: Row = {"test metric": metric_name(name, result), column: metric}
        if result.fold_means:
            row["fold mean"] = result.fold_means.metrics.get(name)
        if test.metrics_at_threshold:
            row[f"at {_threshold(result)}"] = test.metrics_at_threshold[name]
        rows.append(row)
    reading = (
        f"Each figure is shown with the range in which it would fall if other {test.drawn} of the same kind had "
        "been examined. A wide range means that there are too few to be sure."
    )
    return _table(result, f"Test metrics with {confidence(result)} intervals", rows, reading, *captions(result))


def parts_table(result: EvaluationResult) -> Table | None:
    """Return loss and accuracy of each part, where there is any."""
    if not result.by_part:
        return None
    frame = pd.DataFrame(result.by_part.values(), index=list(result.by_part)).rename_axis("part").reset_index()
    title = "Loss and accuracy of each part"
    if result.fold_means:
        title += ", means over the folds"
    reading = "A model that is much better on training images than on the others memorises its images."
    notes = ("chosen weights, without dropout and augmentation",)
    return Table.of_frame(title, frame, reading=reading, notes=notes)


def baseline_table(result: EvaluationResult) -> Table | None:
    """Return the metrics of the network beside those of regressions on a few numbers of the files."""
    if not result.baseline:
        return None
    rows = []
    for name in next(iter(result.baseline.values())):
        row: Row = {"test metric": metric_name(name, result), "network": result.test.metrics[name]}
        rows.append(row | {words: metrics[name] for words, metrics in result.baseline.items()})
    reading = "A network that is not better than these numbers has learned no more than they tell."
    note = (
        "a logistic regression on the area of the content, and on it with its longer side, the mean and standard "
        "deviation of each colour and the size of the file"
    )
    return _table(result, "What a few numbers of the files tell without a network", rows, reading, note)


def operating_points_table(result: EvaluationResult) -> Table | None:
    """Return what thresholds reach: 0.5, the chosen one, and those of requested sensitivities."""
    positive = result.positive_class
    if positive is None or not result.test.images:
        return None
    test = result.test
    chosen = result.threshold
    rows = [_point(result, Named("0.5", note="fixed beforehand"), test.metrics)]
    if test.metrics_at_threshold:
        name = Named(_threshold(result), note=f"{THRESHOLDS.get(chosen.method, chosen.method)} on validation")
        rows.append(_point(result, name, test.metrics_at_threshold))
    for wish in result.operating_points or ():
        words = limits(wish.threshold)
        note = f"sensitivity of {wish.wished:g} requested, on validation"
        name = Named(f"{words} (for {wish.wished:.2f})", words, note)
        rows.append(_point(result, name, {"sensitivity": wish.sensitivity, "specificity": wish.specificity}))
    reading = (
        f"An image is predicted “{positive}” where its probability is at least the threshold. A lower one finds more "
        f"of the “{positive}” images and raises more false alarms."
    )
    if chosen.reason:
        reading += f" No threshold was chosen: {chosen.reason}."
    line = f"for: the threshold on the probability of {quoted(positive)} keeps this sensitivity on validation"
    detail = tuple(rows[0])[3:]
    return _table(result, "Operating points", rows, reading, line, detail=detail)


def _point(result: EvaluationResult, name: Named, metrics: Mapping[str, Estimate]) -> Row:
    row: Row = {"threshold": name, "sensitivity": metrics["sensitivity"], "specificity": metrics["specificity"]}
    positive_first = sorted(result.classes, key=lambda name: name != result.positive_class)
    for of_class, kind in zip(positive_first, ("PPV", "NPV"), strict=True):
        row[f"right among predicted “{of_class}” ({kind})"] = metrics.get(f"precision/{of_class}")
    return row


def subjects_table(result: EvaluationResult) -> Table | None:
    """Return the metrics of predictions of subjects, by the mean of their images and by the share of a class."""
    subjects = result.by_subject
    if not subjects:
        return None
    rows = []
    for metric in METRICS:
        name = metric_name(metric, result)
        row: Row = {"metric": Named(name.short, name.words, name.note.replace("images", "subjects"))}
        row |= {f"by {rule}": evaluated.metrics.get(metric) for rule, evaluated in subjects.rules.items()}
        if any(list(row.values())[1:]):
            rows.append(row)
    lines = ["a subject is predicted by the mean probability of its images, or by the share predicted as a class"]
    if result.positive_class:
        cuts = ", ".join(f"{name} {limits(rule.threshold)}" for name, rule in subjects.rules.items())
        lines.append(f"positive from (chosen on validation subjects, else 0.5): {cuts}")
    if subjects.left_out:
        lines.append(f"{subjects.left_out:,} subjects with images of several classes are left out")
    title = f"One prediction for each of {subjects.subjects:,} subjects"
    return _table(result, title, rows, "", *lines)


def classes_table(result: EvaluationResult) -> Table | None:
    """Return what is right of each class of more than two, and what the others are taken for."""
    detail = ["most often taken for"]
    for name in shown(result).confusions:
        detail += [f"recall, {name.short}", "then taken for"]
    rows = []
    for each in result.per_class or ():
        row: Row = {"class": each.name, "images": each.images}
        row |= {kind: result.test.metrics.get(f"{kind.lower()}/{each.name}") for kind in ("recall", "precision", "F1")}
        taken = (each.mistaken_for, each.recall_assigned, each.mistaken_for_assigned)
        rows.append(row | dict(zip(detail, taken, strict=False)))
    reading = (
        "Recall: of the images of a class, the share that is recognised. Precision: of the images predicted as a "
        "class, the share that really is of it."
    )
    return _table(result, CLASSES, rows, reading, detail=tuple(detail))


def subgroups_table(result: EvaluationResult, short: bool = False) -> Table:
    """Return the metrics of parts of the test images; ``short``: the worst few of each kind of part."""
    rows = []
    lines = []
    for by, of_by in groupby(result.subgroups, key=attrgetter("by")):
        groups = list(of_by)
        if short and len(groups) > FEW_SUBGROUPS:
            lines.append(f"by {by}: the {FEW_SUBGROUPS} with the lowest accuracy of {len(groups)}")
            groups = sorted(groups, key=lambda group: group.metrics["accuracy"].value or 0.0)[:FEW_SUBGROUPS]
        for group in groups:
            row: Row = {"subgroup": f"{by} {group.group.replace('_', ' ')}", "images": group.images}
            row["subjects"] = group.subjects
            for name in SUBGROUP_METRICS:
                if name in group.metrics:
                    row[name] = group.metrics[name]
            rows.append(row)
    reading = "Small parts of the test images have wide ranges: a difference within them is no finding."
    return _table(result, "Subgroups", rows, reading, *lines, detail=("subjects", "sensitivity", "specificity"))


def calibration_table(result: EvaluationResult) -> Table | None:
    """Return the calibration before and after scaling, and of the mean of passes or members."""
    calibration = result.calibration
    if not calibration:
        return None
    sides = {"as trained": calibration.before, "after scaling": calibration.after}
    sides["mean of passes or members"] = calibration.sampled
    rows = []
    for name in ("ece", "brier", "nll"):
        row: Row = {"calibration": metric_name(name, result)}
        row |= {head: side.intervals[name] for head, side in sides.items() if side}
        rows.append(row)
    lines = [f"ECE in {calibration.bins} equally wide bins"]
    if calibration.after:
        lines.append(f"scaling by the temperature {temperature_of(calibration.temperature)}, fitted on validation")
    reading = (
        f"0 is the best of all three. With {result.test.images:,} images even perfect probabilities can give an ECE of "
        f"up to {calibration.before.ece_if_calibrated.high:.3f} by chance."
    )
    return _table(result, "Calibration", rows, reading, *lines, detail=("mean of passes or members",))


def triage_table(result: EvaluationResult) -> Table | None:
    """Return what each rule of triage leaves to a person, and the release."""
    triage = result.triage
    if not triage:
        return None
    rows: list[Row] = []
    for rule in triage.rules:
        row: Row = {"triage rule": Named(rule.rule, rule.rule.replace("_", " "), rule.text)}
        row |= {"reviewed": f"{rule.review:,} ({rule.review_share:.1%})", "alone": rule.alone}
        row |= {"accuracy": rule.accuracy, "missed": rule.missed, "false alarms": rule.false_alarms}
        rows.append(row | {"sensitivity": rule.sensitivity})
    explained = (
        "reviewed: by a person, assumed to be always right; accuracy: of the predictions without review; missed: "
        "positive images that the machine alone predicts negative"
    )
    lines = [explained, _release_line(triage, quoted(result.positive_class or ""))]
    title = "Triage: which images a person still looks at"
    reading = "A good rule misses none and leaves much to the machine."
    return _table(result, title, rows, reading, *lines, detail=("false alarms", "alone"))


def _release_line(triage: TriageResult, positive: str) -> str:
    thresholds = pd.Series([release.threshold for release in triage.release.validation], dtype=float).dropna()
    below = f"{thresholds.iloc[0]:.4g}"
    if len(thresholds) > 1:
        below = f"{EACH_FOLDS} ({thresholds.min():.4g} to {thresholds.max():.4g})"
    test = triage.release.test
    line = (
        f"release below a probability of {positive} of {below}, chosen on validation: sensitivity {test} on "
        f"{test.total:,} test images of {positive}"
    )
    if triage.unseen:
        missed = triage.unseen.positive
        line += (
            f"; {missed.hits} of {missed.total} subjects of {positive} would have all their images released "
            f"(upper limit {triage.unseen.upper:.3f})"
        )
    return line


def referral_table(result: EvaluationResult) -> Table | None:
    """Return referral by confidence, of more than two classes."""
    referral = result.referral
    if referral is None or result.positive_class is not None:
        return None
    row: Row = {"referral": Named("confidence", "probability below the cut"), "referred": referral.referred}
    row |= {"target": f"{referral.accuracy:g}", "on test": referral.correct}
    reading = "The cut keeps the target accuracy on the validation images."
    note = "on test: accuracy of the predictions that are not referred"
    return _table(result, "Referral: which images an expert reviews", [row], reading, note)


def confidence(result: EvaluationResult) -> str:
    """Write how often an interval should hold the truth."""
    return f"{100 * result.confidence:.4g} %"


def limits(threshold: float | Sequence[float | None] | None) -> str:
    """Write a threshold, or the ends of the folds'; 0.5 for one that validation does not choose."""
    values = pd.Series(0.5 if threshold is None else threshold, dtype=float).fillna(0.5)
    if values.nunique() == 1:
        return f"{values.iloc[0]:.3f}"
    return f"{values.min():.2f}-{values.max():.2f}"


def _threshold(result: EvaluationResult) -> str:
    if isinstance(result.threshold, FoldThresholds):
        return "own threshold"
    return number(result.threshold.value)
