"""What scripts/predict.py prints of its table."""

import pandas as pd

from common.predictions import OUT_OF_DISTRIBUTION
from datamodules.inference.image_files import describe_others
from evaluation.referral.new_images import is_foreign

LISTED = 5  # broken files that are listed on the terminal


def summary_lines(table: pd.DataFrame, classes: int, others: dict[str, int]) -> list[str]:
    """Account for every file, in a few lines.

    Args:
        table: As it is written.
        classes: Number of classes.
        others: Number of other files by kind.
    """
    predicted = table[table["status"] == "predicted"]
    broken = table[table["status"] == "broken"]
    counts = predicted["prediction"].value_counts()
    by_class = ", ".join(f"{count:,} “{name}”" for name, count in counts.items()) or "none"
    files = len(table) + sum(others.values())
    numbers = f"{len(predicted):,} predicted ({by_class}), {len(broken):,} broken, {describe_others(others)}"
    lines = [f"{files:,} files: {numbers}"]
    lines += [f"broken: {row.file}: {row.cause}" for row in broken.head(LISTED).itertuples()]
    if len(broken) > LISTED:
        lines.append(f"... and {len(broken) - LISTED:,} more, see the table")
    lines.append(f"to be reviewed: {int(predicted['review'].sum()):,} of the predicted")
    if OUT_OF_DISTRIBUTION in table:
        foreign = int(is_foreign(predicted).sum())
        lines.append(f"out of distribution: {foreign:,} of the predicted do not look like the training images")
    if "label" in table:
        lines += _label_lines(predicted, classes)
    return lines


def _label_lines(predicted: pd.DataFrame, classes: int) -> list[str]:
    """Compare the predictions with the labels of the folders."""
    lines = []
    labelled = predicted[predicted["label"].notna()]
    for column, text in (
        ("prediction", "correct at 0.5" if classes == 2 else "correct"),
        ("prediction_at_threshold", "correct at the threshold of validation"),
    ):
        if len(labelled) and labelled[column].notna().all():
            correct = labelled[column] == labelled["label"]
            by_class = correct.groupby(labelled["label"])
            each = ", ".join(f"{int(rows.sum())} of {len(rows)} “{name}”" for name, rows in by_class)
            lines.append(f"{text}: {int(correct.sum()):,} of {len(labelled):,} ({each})")
    if len(labelled) < len(predicted):
        lines.append(f"{len(predicted) - len(labelled):,} of the predicted are in no folder with the name of a class")
    return lines
