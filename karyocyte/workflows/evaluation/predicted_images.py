"""Tables of scripts/predict.py of labelled images, as predictions of a run on another data set."""

from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.common.text import counted
from karyocyte.evaluation.pooling.predicted_table import read_predicted
from karyocyte.runs.predictions import COLUMNS, PROBABILITY_PREFIX, SAMPLED_PREFIX, VOTES, Predictions
from karyocyte.runs.run import Run

LEARNED = ("train", "validation")  # parts of the split of a run whose images are not new to it


def labelled_predictions(file: Path) -> Predictions:
    """Return the images of a table as the test part, beside the validation part of the run that predicted.

    Images that the run was trained or validated on are left out; labels that the model does not have become None.

    Raises:
        UserError: No image is left, or the table is none of scripts/predict.py.
    """
    table, facts = read_predicted(file)
    predicted = table[table["status"] == "predicted"]
    labels = predicted.get("label", pd.Series(None, predicted.index, dtype=object))
    known = labels.where(labels.isin(facts.classes), None)
    is_new = ~predicted["seen"].isin(LEARNED)
    tested = predicted.assign(label=known)[is_new]
    if tested["label"].isna().all():
        if found := ", ".join(sorted(set(labels[is_new].dropna()))):
            remedy = "write the classes so in labels.csv, and predict again"
            raise UserError(f"{file}: the labels {found} are none of the classes {', '.join(facts.classes)}: {remedy}")
        raise UserError(
            f"{file} has no new image with a label: name the folders of the images like the classes "
            f"({', '.join(facts.classes)}), or write labels.csv with the columns path and class there; predict again"
        )
    frame = tested.rename(columns={"file": "image_id"}).assign(part="test", kind=None, width=None, height=None)
    frame["path"] = frame["image_id"]
    of_cell = (table["status"] == "predicted").groupby([table["subject"], table["cell"]], dropna=False)
    frame["cell"] = frame["cell"].where(of_cell.transform("all"), None)  # without an image it would look abnormal
    measured = frame.columns[frame.columns.str.startswith((PROBABILITY_PREFIX, SAMPLED_PREFIX))]
    frame = frame[[*COLUMNS, *measured]].astype({"width": float, "height": float}).reset_index(drop=True)
    notes = [*facts.warnings, *_left_out(table, labels[is_new & known.isna()].dropna())]
    own = None
    if facts.model is not None and Run.is_run(Path(facts.model)):  # the one run or ensemble is still there
        own = Run(Path(facts.model)).predictions
    about = {
        **(own.about if own else {"name": facts.name}),
        "on": f"{file.stem} ({counted(len(table), 'image')})",
        "test": None,
        "leaks": None,
        "external": {"notes": notes},
    }
    if own:
        frame = _with_validation(frame, own)
    else:
        frame = frame.drop(columns=VOTES, errors="ignore")  # of passes, or of members: that is not known
    return Predictions(frame, facts.classes, facts.positive_class, about)


def _left_out(table: pd.DataFrame, others: pd.Series) -> list[str]:
    """Return which images are not evaluated, such as those of ``others``, and which are not new, a sentence each."""
    notes = []
    if broken := int((table["status"] != "predicted").sum()):
        notes.append(f"not evaluated, since they were not predicted: {counted(broken, 'image')}")
    if len(others):
        classes = ", ".join(sorted(others.unique()))
        notes.append(f"without label, since the model lacks their classes: {counted(len(others), 'image')} ({classes})")
    for part, number in table["seen"].value_counts().items():
        outcome = "are left out" if part in LEARNED else "are not new"
        notes.append(f"{number:,} of the images are of the run's {part} part: they {outcome}")
    return notes


def _with_validation(test: pd.DataFrame, own: Predictions) -> pd.DataFrame:
    """Add the validation rows of a run, which choose the thresholds; their ids are changed where they are taken."""
    validation = own.part("validation").frame
    while (taken := validation["image_id"].isin(test["image_id"])).any():
        validation.loc[taken, "image_id"] += " (validation)"
    return pd.concat([validation.reindex(columns=test.columns), test], ignore_index=True)
