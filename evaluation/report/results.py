"""The tables of one experiment, from its judgement."""

import re

from evaluation.report.blocks import WORDS, Row, Section, Table, confidence, interval, number, per_cent, words_of
from evaluation.uncertainty.plots import temperature_of

METHODS = {
    "youden": "the largest sum of sensitivity and specificity",
    "f1": "the largest F1 of the positive class",
    "sensitivity": "the wished sensitivity",
}
RULE_OF_SUBJECTS = {"mean": "by the mean probability", "share": "by the share of images"}
OF_SUBGROUPS = ("accuracy", "sensitivity", "specificity", "auc", "f1_macro")
OF_CELLS = {
    "accuracy": "chromosomes called rightly",
    "cells_right": "cells without an error",
    "abnormal_recovered": "abnormal counts found exactly",
    "normal_alarmed": "normal cells that come out abnormal",
}


def metrics_table(judgement: dict) -> Table:
    """All metrics at 0.5 (or of the most probable class), at the chosen threshold, and the means over folds."""
    test = judgement["test"]
    means = judgement.get("fold_means")
    chosen = test["metrics_at_threshold"]
    two = judgement["positive_class"] is not None
    columns = ["metric", "at 0.5" if two else "value"]
    if means:
        columns.append("mean over folds" + (", at 0.5" if two else ""))
    if chosen:
        columns.append(f"at {_threshold(judgement)}, chosen on validation")
    rows = []
    for name, found in test["metrics"].items():
        # Recalls are sensitivity and specificity; those of many classes have a table of their own.
        if name.startswith("recall/") or (not two and "/" in name):
            continue
        title, meaning = words_of(name, judgement["classes"], judgement["positive_class"])
        cells = [interval(found)]
        cells += [interval(means["metrics"].get(name))] if means else []
        cells += [interval(chosen[name])] if chosen else []
        rows.append(Row(title, cells, meaning))
    drawn = {"subjects": "subjects", "cells": "cells"}.get(test["drawn"], "images")
    return Table(
        f"Test metrics with {confidence(judgement)} intervals",
        f"Each figure stands with the range in which it would come to lie if other {drawn} of the same kind had been "
        "examined. A wide range means that there are too few to be sure.",
        columns,
        rows,
    )


def operating_table(judgement: dict) -> Table | None:
    """The thresholds at hand, what they were on validation and what they are on test; None for many classes."""
    positive = judgement["positive_class"]
    test = judgement["test"]
    if positive is None:
        return None
    negative = next(name for name in judgement["classes"] if name != positive)
    names = ("sensitivity", "specificity", f"precision/{positive}", f"precision/{negative}")

    def cells(found: dict) -> list[str]:
        return [interval(found[name]) for name in names]

    rows = [Row("0.5", ["-", *cells(test["metrics"])], "fixed beforehand")]
    if test["metrics_at_threshold"]:
        point = judgement["threshold"]
        said = [number(point[name]) for name in ("sensitivity", "specificity") if point.get(name) is not None]
        note = METHODS.get(point["method"], point["method"]) + " on validation"
        rows.append(Row(_threshold(judgement), [" / ".join(said) or "-", *cells(test["metrics_at_threshold"])], note))
    rows += [_wished(row) for row in judgement.get("operating_points") or ()]
    reason = judgement["threshold"]["reason"]
    return Table(
        "Operating points",
        f"An image is called “{positive}” where its probability is at least the threshold. A lower one finds more of "
        f"the “{positive}” images and raises more false alarms. What validation promised must be seen again on test."
        + (f" No threshold was chosen: {reason}." if reason else ""),
        [
            "threshold",
            "validation: sensitivity / specificity",
            "sensitivity",
            "specificity",
            f"right among called “{positive}” (PPV)",
            f"right among called “{negative}” (NPV)",
        ],
        rows,
    )


def subjects_table(judgement: dict) -> Table | None:
    """Metrics of whole subjects; None where the judgement has none."""
    found = judgement.get("by_subject")
    if not found:
        return None
    rules = found["rules"]
    names = [name for name in WORDS if any(name in rule["metrics"] for rule in rules.values())]
    rows = []
    for name in names:
        title, meaning = words_of(name, judgement["classes"], judgement["positive_class"])
        cells = [interval(rule["metrics"].get(name)) for rule in rules.values()]
        rows.append(Row(title, cells, meaning.replace("images", "subjects")))
    left_out = found.get("left_out")
    if left_out:
        mixed = f" {left_out:,} subjects with images of two classes are left out."
    else:
        mixed = ""
    cut = [
        RULE_OF_SUBJECTS[name] + (f" (cut {rule['threshold']:.3f})" if isinstance(rule["threshold"], float) else "")
        for name, rule in rules.items()
    ]
    return Table(
        f"One call for each of {found['subjects']:,} subjects",
        f"A person is called once, from all of her or his images.{mixed}",
        ["metric", *cut],
        rows,
    )


def subgroups_table(judgement: dict) -> Table | None:
    """Metrics of parts of the test images; None where there are none."""
    # Kinds have a table of their own.
    groups = [group for group in judgement.get("subgroups") or () if group["by"] != "kind"]
    if not groups:
        return None
    names = [name for name in OF_SUBGROUPS if any(name in group["metrics"] for group in groups)]
    heads = [words_of(name, judgement["classes"], judgement["positive_class"])[0] for name in names]
    rows = []
    for group in groups:
        if group.get("subjects") is None:
            subjects = "unknown"
        else:
            subjects = f"{group['subjects']:,}"
        cells = [f"{group['images']:,}", subjects, *(interval(group["metrics"].get(name)) for name in names)]
        rows.append(Row(f"{group['by']}: {group['group']}", cells))
    return Table(
        "Subgroups",
        "The same model on parts of the test images. Small parts have wide ranges: a difference within them is no "
        "finding.",
        ["part", "images", "subjects", *heads],
        rows,
    )


def kinds_table(judgement: dict) -> Table | None:
    """How many images of each kind are called rightly; None where no kind is known."""
    kinds = judgement.get("per_kind")
    if not kinds:
        return None
    chosen = any(row["recall_at_threshold"] for row in kinds)
    columns = ["kind", "class", "images", "called rightly"]
    rows = []
    for row in kinds:
        cells = [row["class"], f"{row['images']:,}", interval(row["recall"])]
        cells += [interval(row["recall_at_threshold"])] if chosen else []
        rows.append(Row((row["kind"] or "unknown").replace("_", " "), cells))
    return Table(
        "What is known of the images beyond their class",
        "Which kinds are found and which are missed. The ranges take images for independent.",
        [*columns, *([f"at {_threshold(judgement)}"] if chosen else [])],
        rows,
        words=(1,),
    )


def classes_table(judgement: dict) -> Table | None:
    """Class by class; None for two classes."""
    classes = judgement.get("per_class")
    if not classes:
        return None
    metrics = judgement["test"]["metrics"]
    cells = judgement.get("assignment")
    columns = ["class", "images", "recall", "precision", "F1", "most often taken for"]
    rows = []
    for row in classes:
        name = row["class"]
        figures = [interval(metrics.get(f"{kind}/{name}")) for kind in ("recall", "precision", "f1")]
        found = [f"{row['images']:,}", *figures, row["mistaken_for"] or "-"]
        found += [number(row["recall_assigned"]), row["mistaken_for_assigned"] or "-"] if cells else []
        rows.append(Row(name, found))
    return Table(
        "Class by class",
        "Recall: of the images of a class, the share that is called so. Precision: of the images that are called so, "
        "the share that is.",
        [*columns, *(["recall, placed jointly", "then taken for"] if cells else [])],
        rows,
        words=(5, 7),
    )


def cells_table(judgement: dict) -> Table | None:
    """Chromosomes called one by one and placed jointly; None where there are no cells."""
    found = judgement.get("assignment")
    if not found:
        return None
    known = {**judgement["test"]["metrics"], **found["metrics"]}
    rows = [
        Row(title, [interval(known[name]), interval(known[f"{name}_assigned"])]) for name, title in OF_CELLS.items()
    ]
    return Table(
        f"Whole cells ({found['cells']:,})",
        "Placed jointly means: the chromosomes of a cell are sorted together, knowing that a cell has two of each.",
        ["", "one by one", "placed jointly"],
        rows,
    )


def calibration_table(judgement: dict) -> Table | None:
    """How well the probabilities hold, before and after scaling; None without labelled images."""
    found = judgement.get("calibration")
    if not found:
        return None
    sides = {"as trained": found["before"]}
    if found["after"]:
        sides[f"after scaling (temperature {temperature_of(found['temperature'])})"] = found["after"]
    if found.get("sampled"):
        sides["mean of passes or members"] = found["sampled"]
    rows = []
    for name in ("ece", "brier", "nll"):
        title, meaning = words_of(name, [], None)
        rows.append(Row(title, [_measure(side, name) for side in sides.values()], meaning))
    chance = found["before"]["ece_if_calibrated"]["high"]
    return Table(
        "Calibration",
        f"0 is the best of all three. With {judgement['test']['images']:,} images even perfect probabilities can give "
        f"an ECE of up to {chance:.3f} by chance. The temperature is fitted on validation.",
        ["measure", *sides],
        rows,
    )


def triage_table(judgement: dict) -> Table | None:
    """What happens if the doubtful images go to a person; None without triage."""
    triage = judgement.get("triage")
    if not triage:
        return None
    rows = [
        Row(
            row["rule"].replace("_", " "),
            [
                f"{row['review']:,} ({per_cent(row['review_share'])})",
                f"{row['alone']:,}",
                interval(row["accuracy"]),
                f"{row['missed']:,}",
                f"{row['false_alarms']:,}",
                interval(row["sensitivity"]),
            ],
            row["text"],
        )
        for row in triage["rules"]
    ]
    return Table(
        "Triage: which images a person still looks at",
        "The person is taken to be always right. Missed: positive images that the machine alone calls negative. A good "
        "rule misses none and leaves much to the machine.",
        ["rule", "to a person", "decided alone", "right of those", "missed", "false alarms", "sensitivity together"],
        rows,
    )


def result_tables(judgement: dict) -> list[Table]:
    """Return the tables on how good a model is, those that there are."""
    found = [metrics_table(judgement), operating_table(judgement), subjects_table(judgement)]
    found += [classes_table(judgement), cells_table(judgement), subgroups_table(judgement), kinds_table(judgement)]
    return [table for table in found if table and table.rows]


def warnings_section(judgement: dict, name: str, written: dict) -> Section:
    """The judgement's warnings: those of the test part, then those of the validation part in one line.

    Args:
        judgement: What the page shows.
        name: Of the anchor.
        written: What the run's metrics.json holds, may be empty; where its figures are others, that is said.
    """
    lines = [_in_words(str(line), judgement) for line in judgement.warnings_except("validation")]
    others = len(judgement["warnings"]) - len(lines)
    if others:
        lines.append(f"{others} more about the validation images: python scripts/evaluate.py RUN shows them")
    before = (written.get("test") or {}).get("metrics") or {}
    now = judgement["test"]["metrics"]
    if any(interval(before[metric]) != interval(now[metric]) for metric in before.keys() & now.keys()):
        lines.append(
            "metrics.json, written by an earlier version or with other settings, holds other figures than this page: "
            "python scripts/evaluate.py RUN writes it anew"
        )
    return Section("What limits these figures", name, intro=lines)


def _wished(row: dict) -> Row:
    """A threshold for a wished sensitivity; of several folds each has its own."""
    promised = [row["validation"][name] for name in ("sensitivity", "specificity")]
    if isinstance(row["threshold"], list):
        said = "each fold's own"
    else:
        said = " / ".join(map(number, promised))
    cells = [said, interval(row["sensitivity"]), interval(row["specificity"]), "-", "-"]
    if isinstance(row["threshold"], list):
        title = "each fold's own"
    else:
        title = number(row["threshold"])
    return Row(title, cells, f"sensitivity of {row['wished']:g} wished, on validation")


def _measure(side: dict, name: str) -> str:
    ends = (side.get("intervals") or {}).get(name)
    if ends:
        return interval(ends)
    return number(side[name])


def _in_words(line: str, judgement: dict) -> str:
    """Call the metrics of a line as the tables do."""
    for metric in sorted(judgement["test"]["metrics"], key=len, reverse=True):
        title, _ = words_of(metric, judgement["classes"], judgement["positive_class"])
        line = re.sub(rf"(?<![\w/]){re.escape(metric)}(?![\w/])", lambda _, title=title: title, line)
    return line


def _threshold(judgement: dict) -> str:
    value = judgement["threshold"]["value"]
    if isinstance(value, list):
        return "each fold's own threshold"
    return number(value)
