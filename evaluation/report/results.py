"""The tables of one experiment, from its evaluation, and those of an ensemble's members."""

import re

from common.runs.run import Run
from evaluation.core.formats import number, temperature_of
from evaluation.report.blocks import METRICS, Section, Table, count, interval, metric_cell, metric_title, per_cent
from evaluation.report.sources import Chapter
from evaluation.report.summary import last_part
from evaluation.result import EvaluationResult, FoldThresholds

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
    makers = (_metrics, _operating_points, _subjects, _classes, _cells, _subgroups, _kinds)
    tables = [make(result) for make in makers]
    return [table for table in tables if table and table.rows]


def part_tables(result: EvaluationResult) -> list[Table]:
    """Return the table of loss and accuracy of each part, where there is any."""
    rows = []
    for name, part in result.by_part.items():
        row = {"part": name, "images": count(part.images), "loss": number(part.loss)}
        rows.append(row | {"accuracy": number(part.accuracy)})
    over_folds = ", means over the folds" if result.fold_means else ""
    table = Table(
        f"Loss and accuracy of each part{over_folds}",
        "Of the chosen weights, without dropout and without augmentation. A model that is much better on training "
        "images than on the others memorises its images.",
        rows,
    )
    return [table] if rows else []


def confidence_tables(result: EvaluationResult) -> list[Table]:
    """Return the tables of calibration and triage, where there are any."""
    return [table for table in (_calibration(result), _triage(result), _referral(result)) if table]


def _metrics(result: EvaluationResult) -> Table:
    test = result.test
    two = result.positive_class is not None
    rows = []
    for name, metric in test.metrics.items():
        # Recalls are sensitivity and specificity; those of many classes have a table of their own.
        if name.startswith("recall/") or (not two and "/" in name):
            continue
        row = {"metric": metric_cell(name, result)}
        row["at 0.5" if two else "value"] = interval(metric)
        if result.fold_means:
            row["mean over folds" + ", at 0.5" * two] = interval(result.fold_means.metrics.get(name))
        if test.metrics_at_threshold:
            row[f"at {_threshold(result)}, chosen on validation"] = interval(test.metrics_at_threshold[name])
        rows.append(row)
    return Table(
        f"Test metrics with {confidence(result)} intervals",
        f"Each figure is shown with the range in which it would fall if other {test.drawn} of the same kind had "
        "been examined. A wide range means that there are too few to be sure.",
        rows,
    )


def _operating_points(result: EvaluationResult) -> Table | None:
    positive = result.positive_class
    if positive is None:
        return None
    test = result.test
    point = result.threshold
    (negative,) = [name for name in result.classes if name != positive]
    metrics = {
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        f"right among predicted “{positive}” (PPV)": f"precision/{positive}",
        f"right among predicted “{negative}” (NPV)": f"precision/{negative}",
    }
    on_validation = "validation: sensitivity / specificity"
    rows = [{"threshold": "0.5\nfixed beforehand", on_validation: "-"}]
    rows[0] |= {head: interval(test.metrics[name]) for head, name in metrics.items()}
    if test.metrics_at_threshold:
        row = {"threshold": f"{_threshold(result)}\n{METHODS.get(point.method, point.method)} on validation"}
        row[on_validation] = "-"
        if not isinstance(point, FoldThresholds):
            row[on_validation] = f"{number(point.sensitivity)} / {number(point.specificity)}"
        rows.append(row | {head: interval(test.metrics_at_threshold[name]) for head, name in metrics.items()})
    for wish in result.operating_points or ():
        threshold = EACH_FOLDS
        validation = EACH_FOLDS
        if not isinstance(wish.threshold, list):
            threshold = number(wish.threshold)
            validation = f"{wish.validation['sensitivity']:.3f} / {wish.validation['specificity']:.3f}"
        row = {"threshold": f"{threshold}\nsensitivity of {wish.wished:g} requested, on validation"}
        row |= {on_validation: validation, **dict.fromkeys(metrics, "-")}
        rows.append(row | {name: interval(getattr(wish, name)) for name in ("sensitivity", "specificity")})
    return Table(
        "Operating points",
        f"An image is predicted “{positive}” where its probability is at least the threshold. A lower one finds more "
        f"of the “{positive}” images and raises more false alarms. What validation promised must be seen again on test."
        + (f" No threshold was chosen: {point.reason}." if point.reason else ""),
        rows,
    )


def _subjects(result: EvaluationResult) -> Table | None:
    by_subject = result.by_subject
    if not by_subject:
        return None
    rows = []
    for metric in METRICS:
        if any(metric in rule.metrics for rule in by_subject.rules.values()):
            row = {"metric": metric_cell(metric, result).replace("images", "subjects")}
            for name, rule in by_subject.rules.items():
                cut = f" (cut {rule.threshold:.3f})" if isinstance(rule.threshold, float) else ""
                row[SUBJECT_RULES[name] + cut] = interval(rule.metrics.get(metric))
            rows.append(row)
    mixed = ""
    if by_subject.left_out:
        mixed = f" {by_subject.left_out:,} subjects with images of two classes are left out."
    return Table(
        f"One prediction for each of {by_subject.subjects:,} subjects",
        f"One prediction per person, from all of their images.{mixed}",
        rows,
    )


def _subgroups(result: EvaluationResult) -> Table:
    # Kinds have a table of their own.
    groups = [group for group in result.subgroups if group.by != "kind"]
    rows = []
    for group in groups:
        row = {"part": f"{group.by}: {group.group}"}
        row |= {"images": count(group.images), "subjects": count(group.subjects)}
        for name in SUBGROUP_METRICS:
            if any(name in other.metrics for other in groups):
                row[metric_title(name)] = interval(group.metrics.get(name))
        rows.append(row)
    return Table(
        "Subgroups",
        "The same model on parts of the test images. Small parts have wide ranges: a difference within them is no "
        "finding.",
        rows,
    )


def _kinds(result: EvaluationResult) -> Table:
    kinds = result.per_kind or []
    at_threshold = any(kind.recall_at_threshold for kind in kinds)
    rows = []
    for kind in kinds:
        row = {"kind": (kind.kind or "unknown").replace("_", " "), "class": kind.name}
        row |= {"images": count(kind.images), "predicted right": interval(kind.recall)}
        if at_threshold:
            row[f"at {_threshold(result)}"] = interval(kind.recall_at_threshold)
        rows.append(row)
    return Table(
        "What is known of the images beyond their class",
        "Which kinds are found and which are missed. The ranges treat images as independent.",
        rows,
        ("class",),
    )


def _classes(result: EvaluationResult) -> Table:
    rows = []
    for each in result.per_class or ():
        row = {"class": each.name, "images": count(each.images)}
        for kind in ("recall", "precision", "f1"):
            row[kind.replace("f1", "F1")] = interval(result.test.metrics.get(f"{kind}/{each.name}"))
        row["most often taken for"] = each.mistaken_for or "-"
        if result.assignment:
            row["recall, joint assignment"] = number(each.recall_assigned, undefined="undefined")
            row["then taken for"] = each.mistaken_for_assigned or "-"
        rows.append(row)
    return Table(
        "Class by class",
        "Recall: of the images of a class, the share that is recognised. Precision: of the images predicted as a "
        "class, the share that really is of it.",
        rows,
        ("most often taken for", "then taken for"),
    )


def _cells(result: EvaluationResult) -> Table | None:
    assignment = result.assignment
    if not assignment:
        return None
    metrics = {**result.test.metrics, **assignment.metrics}
    rows = []
    for name, title in CELL_METRICS.items():
        alone = interval(metrics[name])
        rows.append({"": title, "one by one": alone, "joint assignment": interval(metrics[f"{name}_assigned"])})
    return Table(
        f"Whole cells ({assignment.cells:,})",
        "Joint assignment: the chromosomes of a cell are sorted together, knowing that a cell has two of each.",
        rows,
    )


def _calibration(result: EvaluationResult) -> Table | None:
    calibration = result.calibration
    if not calibration:
        return None
    sides = {"as trained": calibration.before}
    if calibration.after:
        sides[f"after scaling (temperature {temperature_of(calibration.temperature)})"] = calibration.after
    if calibration.sampled:
        sides["mean of passes or members"] = calibration.sampled
    rows = []
    for name in ("ece", "brier", "nll"):
        row = {"measure": metric_cell(name, result)}
        for head, side in sides.items():
            value = number(getattr(side, name))
            row[head] = interval(side.intervals[name]) if name in side.intervals else value
        rows.append(row)
    return Table(
        "Calibration",
        f"0 is the best of all three. With {result.test.images:,} images even perfect probabilities can give an ECE of "
        f"up to {calibration.before.ece_if_calibrated.high:.3f} by chance. The temperature is fitted on validation.",
        rows,
    )


def _triage(result: EvaluationResult) -> Table | None:
    if not result.triage:
        return None
    rows = []
    for rule in result.triage.rules:
        row = {"rule": f"{rule.rule.replace('_', ' ')}\n{rule.text}"}
        row["to a person"] = f"{rule.review:,} ({per_cent(rule.review_share)})"
        row["decided alone"] = count(rule.alone)
        row["right of those"] = interval(rule.accuracy)
        row |= {"missed": count(rule.missed), "false alarms": count(rule.false_alarms)}
        row["sensitivity together"] = interval(rule.sensitivity)
        rows.append(row)
    return Table(
        "Triage: which images a person still looks at",
        "The person is taken to be always right. Missed: positive images that the machine alone predicts negative. A "
        "good rule misses none and leaves much to the machine.",
        rows,
    )


def _referral(result: EvaluationResult) -> Table | None:
    """Referral by confidence and the conformal sets, of more than two classes."""
    referral = result.referral
    if referral is None or result.positive_class is not None:
        return None
    rows = [
        {
            "rule": "probability below the cut",
            "referred": interval(referral.referred),
            "target": f"{referral.accuracy:g}",
            "on test": f"{interval(referral.correct)}\ncorrect, of the others",
        }
    ]
    sets = referral.conformal.marginal if referral.conformal else None
    if referral.conformal and sets:
        rows.append(
            {
                "rule": "conformal set",
                "referred": per_cent(1 - sets.one),
                "target": f"{referral.conformal.coverage:g}",
                "on test": f"{interval(sets.coverage)}\nof the sets hold the class",
            }
        )
    return Table(
        "Referral: which images an expert reviews",
        "The cut keeps the target accuracy on the validation images. By conformal sets an image is referred where its "
        "set is not one class.",
        rows,
    )


def warnings_section(result: EvaluationResult, name: str, hidden: str | None) -> Section:
    """The warnings but those of a topic, metrics named as in the tables; those of the validation images in one line."""
    warnings = result.warnings_except("validation")
    titles = {metric: metric_title(metric) for metric in result.test.metrics}
    lines = []
    for warning in warnings:
        if warning.topic != hidden:
            lines.append(re.sub(r"[^\s,()]+", lambda word: titles.get(word[0], word[0]), str(warning)))
    others = len(result.warnings) - len(warnings)
    if others:
        lines.append(f"{others} more about the validation images: python scripts/evaluate.py RUN shows them")
    return Section("What limits these figures", name, intro=lines)


def members_section(chapter: Chapter, name: str) -> Section:
    """Show the members and their weights; empty for a run that is no ensemble."""
    tables = []
    for run in chapter.runs:
        if run.is_ensemble:
            tables.append(_members(run, chapter.fold_of(run, ", ")))
    return Section("The ensemble", name, tables=tables)


def _members(run: Run, fold: str) -> Table:
    fitted = "Nothing was fitted."
    method = "average"
    weights = None
    # An ensemble of an older revision names its members here and has no file of its own.
    labels = [last_part(folder, 3) for folder in run.status.members]
    if not labels:
        method = run.ensemble.method
        labels = list(run.ensemble.labels)
        weights = run.ensemble.combiner.get("weights")
        if run.ensemble.fitted_on.get("images"):
            fitted = f"Fitted on {run.ensemble.fitted_on['images']:,} validation images."
    rows = [{"member": label} for label in labels]
    reading = "Each member is a whole model."
    if weights:
        reading = "The larger the weight, the more a member's probability counts."
        for row, weight in zip(rows, weights, strict=True):
            row["weight"] = f"{weight:.3f}"
    return Table(f"Members, joined by {method}{fold}", f"{reading} {fitted}", rows)


def _threshold(result: EvaluationResult) -> str:
    if isinstance(result.threshold, FoldThresholds):
        return f"{EACH_FOLDS} threshold"
    return number(result.threshold.value)
