"""The tables of one experiment, from its evaluation."""

import re

from evaluation.report.blocks import WORDS, Row, Section, Table, count, interval, number, per_cent, words_of
from evaluation.result import CalibrationMetrics, EvaluationResult, FoldThresholds, SensitivityResult
from evaluation.uncertainty.plots import temperature_of

METHODS = {
    "youden": "the largest sum of sensitivity and specificity",
    "f1": "the largest F1 of the positive class",
    "sensitivity": "the requested sensitivity",
}
SUBJECT_RULES = {"mean": "by the mean probability", "share": "by the share of images"}
SUBGROUP_METRICS = ("accuracy", "sensitivity", "specificity", "auc", "f1_macro")
CELL_METRICS = {
    "accuracy": "chromosomes predicted right",
    "cells_right": "cells without an error",
    "abnormal_recovered": "abnormal counts found exactly",
    "normal_alarmed": "normal cells that come out abnormal",
}
EACH_FOLDS = "each fold's own"


def confidence(result: EvaluationResult) -> str:
    """Write how often an interval should hold the truth."""
    return f"{100 * result.confidence:.4g} %"


def result_tables(result: EvaluationResult) -> list[Table]:
    """Return the tables of how good a model is, those with rows."""
    tables = [
        metrics_table(result),
        operating_table(result),
        subjects_table(result),
        classes_table(result),
        cells_table(result),
        subgroups_table(result),
        kinds_table(result),
    ]
    return [table for table in tables if table and table.rows]


def metrics_table(result: EvaluationResult) -> Table:
    """All metrics at 0.5 (or of the most probable class), at the chosen threshold, and the means over folds."""
    test = result.test
    two = result.positive_class is not None
    columns = ["metric", "at 0.5" if two else "value"]
    if result.fold_means:
        columns.append("mean over folds" + ", at 0.5" * two)
    if test.metrics_at_threshold:
        columns.append(f"at {_threshold(result)}, chosen on validation")
    rows = []
    for name, found in test.metrics.items():
        # Recalls are sensitivity and specificity; those of many classes have a table of their own.
        if name.startswith("recall/") or (not two and "/" in name):
            continue
        cells = [interval(found)]
        if result.fold_means:
            cells.append(interval(result.fold_means.metrics.get(name)))
        if test.metrics_at_threshold:
            cells.append(interval(test.metrics_at_threshold[name]))
        title, meaning = words_of(name, result.classes, result.positive_class)
        rows.append(Row(title, cells, meaning))
    return Table(
        f"Test metrics with {confidence(result)} intervals",
        f"Each figure is shown with the range in which it would come to lie if other {test.drawn} of the same kind had "
        "been examined. A wide range means that there are too few to be sure.",
        columns,
        rows,
    )


def operating_table(result: EvaluationResult) -> Table | None:
    """The thresholds, what they were on validation and what they are on test; None for many classes."""
    positive = result.positive_class
    if positive is None:
        return None
    test = result.test
    point = result.threshold
    negative = next(name for name in result.classes if name != positive)
    names = ("sensitivity", "specificity", f"precision/{positive}", f"precision/{negative}")
    rows = [Row("0.5", ["-", *(interval(test.metrics[name]) for name in names)], "fixed beforehand")]
    if test.metrics_at_threshold:
        validation = "-"
        if not isinstance(point, FoldThresholds):
            validation = f"{number(point.sensitivity)} / {number(point.specificity)}"
        cells = [interval(test.metrics_at_threshold[name]) for name in names]
        note = f"{METHODS.get(point.method, point.method)} on validation"
        rows.append(Row(_threshold(result), [validation, *cells], note))
    rows += [_requested(row) for row in result.operating_points or ()]
    return Table(
        "Operating points",
        f"An image is predicted “{positive}” where its probability is at least the threshold. A lower one finds more "
        f"of the “{positive}” images and raises more false alarms. What validation promised must be seen again on test."
        + (f" No threshold was chosen: {point.reason}." if point.reason else ""),
        [
            "threshold",
            "validation: sensitivity / specificity",
            "sensitivity",
            "specificity",
            f"right among predicted “{positive}” (PPV)",
            f"right among predicted “{negative}” (NPV)",
        ],
        rows,
    )


def _requested(row: SensitivityResult) -> Row:
    """A threshold for a requested sensitivity; of several folds each has its own."""
    title = validation = EACH_FOLDS
    if not isinstance(row.threshold, list):
        title = number(row.threshold)
        validation = f"{row.validation['sensitivity']:.3f} / {row.validation['specificity']:.3f}"
    cells = [validation, interval(row.sensitivity), interval(row.specificity), "-", "-"]
    return Row(title, cells, f"sensitivity of {row.wished:g} requested, on validation")


def subjects_table(result: EvaluationResult) -> Table | None:
    """Metrics of whole subjects; None where there are none."""
    found = result.by_subject
    if not found:
        return None
    rows = []
    for name in WORDS:
        if any(name in rule.metrics for rule in found.rules.values()):
            title, meaning = words_of(name, result.classes, result.positive_class)
            cells = [interval(rule.metrics.get(name)) for rule in found.rules.values()]
            rows.append(Row(title, cells, meaning.replace("images", "subjects")))
    heads = ["metric"]
    for name, rule in found.rules.items():
        cut = f" (cut {rule.threshold:.3f})" if isinstance(rule.threshold, float) else ""
        heads.append(SUBJECT_RULES[name] + cut)
    mixed = f" {found.left_out:,} subjects with images of two classes are left out." if found.left_out else ""
    return Table(
        f"One prediction for each of {found.subjects:,} subjects",
        f"One prediction per person, from all of her or his images.{mixed}",
        heads,
        rows,
    )


def subgroups_table(result: EvaluationResult) -> Table | None:
    """Metrics of parts of the test images; None where there are none."""
    # Kinds have a table of their own.
    groups = [group for group in result.subgroups if group.by != "kind"]
    if not groups:
        return None
    names = [name for name in SUBGROUP_METRICS if any(name in group.metrics for group in groups)]
    rows = []
    for group in groups:
        cells = [count(group.images), count(group.subjects)]
        cells += [interval(group.metrics.get(name)) for name in names]
        rows.append(Row(f"{group.by}: {group.group}", cells))
    return Table(
        "Subgroups",
        "The same model on parts of the test images. Small parts have wide ranges: a difference within them is no "
        "finding.",
        ["part", "images", "subjects", *(words_of(name)[0] for name in names)],
        rows,
    )


def kinds_table(result: EvaluationResult) -> Table | None:
    """How many images of each kind are predicted right; None where no kind is known."""
    if not result.per_kind:
        return None
    columns = ["kind", "class", "images", "predicted right"]
    at_threshold = any(row.recall_at_threshold for row in result.per_kind)
    if at_threshold:
        columns.append(f"at {_threshold(result)}")
    rows = []
    for row in result.per_kind:
        cells = [row.name, count(row.images), interval(row.recall)]
        if at_threshold:
            cells.append(interval(row.recall_at_threshold))
        rows.append(Row((row.kind or "unknown").replace("_", " "), cells))
    return Table(
        "What is known of the images beyond their class",
        "Which kinds are found and which are missed. The ranges take images for independent.",
        columns,
        rows,
        words=(1,),
    )


def classes_table(result: EvaluationResult) -> Table | None:
    """Class by class; None for two classes."""
    if not result.per_class:
        return None
    columns = ["class", "images", "recall", "precision", "F1", "most often taken for"]
    if result.assignment:
        columns += ["recall, joint assignment", "then taken for"]
    rows = []
    for row in result.per_class:
        metrics = [result.test.metrics.get(f"{kind}/{row.name}") for kind in ("recall", "precision", "f1")]
        cells = [count(row.images), *map(interval, metrics), row.mistaken_for or "-"]
        if result.assignment:
            cells += [number(row.recall_assigned), row.mistaken_for_assigned or "-"]
        rows.append(Row(row.name, cells))
    return Table(
        "Class by class",
        "Recall: of the images of a class, the share that is predicted so. Precision: of the images that are predicted "
        "so, the share that is.",
        columns,
        rows,
        words=(5, 7),
    )


def cells_table(result: EvaluationResult) -> Table | None:
    """Chromosomes predicted one by one and by joint assignment; None where there are no cells."""
    found = result.assignment
    if not found:
        return None
    metrics = {**result.test.metrics, **found.metrics}
    rows = []
    for name, title in CELL_METRICS.items():
        rows.append(Row(title, [interval(metrics[name]), interval(metrics[f"{name}_assigned"])]))
    return Table(
        f"Whole cells ({found.cells:,})",
        "Joint assignment: the chromosomes of a cell are sorted together, knowing that a cell has two of each.",
        ["", "one by one", "joint assignment"],
        rows,
    )


def calibration_table(result: EvaluationResult) -> Table | None:
    """How well the probabilities hold, before and after scaling; None without labelled images."""
    found = result.calibration
    if not found:
        return None
    sides = {"as trained": found.before}
    if found.after:
        sides[f"after scaling (temperature {temperature_of(found.temperature)})"] = found.after
    if found.sampled:
        sides["mean of passes or members"] = found.sampled
    rows = []
    for name in ("ece", "brier", "nll"):
        title, meaning = words_of(name)
        rows.append(Row(title, [_measure(side, name) for side in sides.values()], meaning))
    return Table(
        "Calibration",
        f"0 is the best of all three. With {result.test.images:,} images even perfect probabilities can give an ECE of "
        f"up to {found.before.ece_if_calibrated.high:.3f} by chance. The temperature is fitted on validation.",
        ["measure", *sides],
        rows,
    )


def _measure(side: CalibrationMetrics, name: str) -> str:
    if name in side.intervals:
        return interval(side.intervals[name])
    return number(getattr(side, name))


def triage_table(result: EvaluationResult) -> Table | None:
    """What happens if the doubtful images go to a person; None without triage."""
    if not result.triage:
        return None
    rows = []
    for row in result.triage.rules:
        cells = [
            f"{row.review:,} ({per_cent(row.review_share)})",
            count(row.alone),
            interval(row.accuracy),
            count(row.missed),
            count(row.false_alarms),
            interval(row.sensitivity),
        ]
        rows.append(Row(row.rule.replace("_", " "), cells, row.text))
    return Table(
        "Triage: which images a person still looks at",
        "The person is taken to be always right. Missed: positive images that the machine alone predicts negative. A "
        "good rule misses none and leaves much to the machine.",
        ["rule", "to a person", "decided alone", "right of those", "missed", "false alarms", "sensitivity together"],
        rows,
    )


def warnings_section(result: EvaluationResult, name: str, hidden: tuple[str, ...] = ()) -> Section:
    """The warnings of the evaluation, those of the validation images in one line.

    Args:
        result: The evaluation.
        name: Of the anchor.
        hidden: Topics that are left out.
    """
    lines = []
    for warning in result.warnings_except("validation"):
        if warning.topic not in hidden:
            lines.append(_in_words(str(warning), result))
    others = len(result.warnings) - len(result.warnings_except("validation"))
    if others:
        lines.append(f"{others} more about the validation images: python scripts/evaluate.py RUN shows them")
    return Section("What limits these figures", name, intro=lines)


def _in_words(line: str, result: EvaluationResult) -> str:
    """Name the metrics of a line as the tables do."""
    for metric in sorted(result.test.metrics, key=len, reverse=True):
        title, _ = words_of(metric, result.classes, result.positive_class)
        line = re.sub(rf"(?<![\w/]){re.escape(metric)}(?![\w/])", lambda _, title=title: title, line)
    return line


def _threshold(result: EvaluationResult) -> str:
    if isinstance(result.threshold, FoldThresholds):
        return f"{EACH_FOLDS} threshold"
    return number(result.threshold.value)
