"""The test images with what each experiment says of them: what a page sorts, filters and shows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.predictions import Predictions
from evaluation.core.labelled import score
from evaluation.metrics.classification import call
from evaluation.metrics.thresholds import choose_threshold
from evaluation.report.pictures import PicturePool, fill
from evaluation.report.pseudonyms import Names, name_all
from evaluation.report.sources import Chapter

SEED = 0
TOP = 3  # so many of the most probable classes stand beside an enlarged picture
DOUBTFUL_SHARE = 0.1


@dataclass(frozen=True)
class Gallery:
    """The images that a page shows.

    Attributes:
        data: For the page's script, JSON-able: ``classes``, ``positive`` (its index or None), ``chapters`` (labels),
            ``doubtful`` (what it means, by chapter), ``maps`` (kinds of heat maps: label and chapter), ``items`` (see
            ``_item``).
        pictures: WebP, each once; items hold their places.
        notes: What is left out or missing, in sentences.
        total: How many test images there are.
        key: What leads from the names shown to the true ones; empty where those are shown.
    """

    data: dict
    pictures: list[bytes]
    notes: list[str]
    total: int
    key: pd.DataFrame


def gallery(chapters: list[Chapter], images: int, budget: int, real_names: bool) -> Gallery:
    """Choose the images and describe them.

    Args:
        chapters: What is reported.
        images: At most so many: first those that a chapter calls wrongly, then the doubtful ones, then a sample of the
            others that is the same at every making.
        budget: Bytes that the pictures may take within the page.
        real_names: Show the names of images and subjects as they are.
    """
    tested = [_described(chapter) for chapter in chapters]
    everything = pd.concat(tested).drop_duplicates("image_id")
    names = name_all(everything, real_names)
    by_name = everything.set_index("image_id")
    chosen = _chosen(tested, images)
    pool, chosen = fill(PicturePool(), chapters, chosen, budget)
    notes = _left_out(len(everything), len(chosen)) + pool.notes
    by_id = [table.set_index("image_id") for table in tested]
    first = chapters[0].judgement
    classes = first["classes"]
    data = {
        "classes": classes,
        "positive": None if first["positive_class"] is None else classes.index(first["positive_class"]),
        "chapters": [chapter.label for chapter in chapters],
        "doubtful": [_doubt_in_words(chapter) for chapter in chapters],
        "maps": pool.maps,
        "items": [_item(image_id, by_name.loc[image_id], by_id, names, pool) for image_id in chosen],
    }
    return Gallery(data, pool.pictures, notes, len(everything), pd.DataFrame() if real_names else names.key())


def _described(chapter: Chapter) -> pd.DataFrame:
    """Describe a chapter's test images, fold after fold."""
    tables = [_of_run(run, chapter) for run in chapter.group.runs]
    found = pd.concat(tables, ignore_index=True)
    if not any(run.sampled for run in chapter.group.runs):
        # Of equal ones all: at least the share that is said.
        if len(found):
            least = found["uncertainty"].quantile(1 - DOUBTFUL_SHARE)
        else:
            least = 0.0
        found["doubtful"] = found["uncertainty"] >= least
    return found


def _of_run(run: Predictions, chapter: Chapter) -> pd.DataFrame:
    test = run.part("test")
    probabilities = test.probabilities
    positive = test.positive_index
    rows = np.arange(len(test.frame))
    called = call(probabilities, positive)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    point = choose_threshold(score(run.part("validation")), chapter.settings).value
    found = test.frame[["image_id", "subject", "label", "kind", "group", "uncertainty"]].copy()
    found["truth"] = test.labels
    found["called"], found["probability"] = called, probabilities[rows, called]
    found["top"] = [[[int(k), _rounded(probabilities[row, k])] for k in order[row]] for row in rows]
    found["at_threshold"] = called if point is None else call(probabilities, positive, point)
    found["chosen"] = point is not None
    found["right"] = called == test.labels
    found["votes"] = test.frame["sampled_votes"] if run.sampled else np.nan
    found["voted"] = test.frame["sampled_label"].map(list(run.classes).index) if run.sampled else -1
    found["doubtful"] = found["votes"] < chapter.settings.triage.vote_share
    return found


def _chosen(tested: list[pd.DataFrame], images: int) -> list[str]:
    """Return the image_ids to show: wrong ones first, then doubtful ones, then a sample of the others."""
    joined = pd.concat([table[["image_id", "truth", "right", "doubtful", "uncertainty"]] for table in tested])
    joined["wrong"] = (joined["truth"] >= 0) & ~joined["right"]
    each = joined.groupby("image_id").agg(wrong=("wrong", "sum"), doubtful=("doubtful", "any"))
    each["wrong"] = -each["wrong"]
    # The index is sorted by the ids: a shuffle first, so that equals do not stand in their order.
    each = each.iloc[np.random.default_rng(SEED).permutation(len(each))]
    each["sure"] = ~each["doubtful"]
    return each.sort_values(["wrong", "sure"], kind="stable").index[:images].tolist()


def _item(image_id: str, image: pd.Series, by_id: list[pd.DataFrame], names: Names, pool: PicturePool) -> dict:
    """Describe an image: ``name``, ``subject``, ``truth``, ``kind``, ``group``, and ``by`` chapter what it says."""
    said = [
        _said(table.loc[image_id], pool, image_id, chapter) if image_id in table.index else None
        for chapter, table in enumerate(by_id)
    ]
    return {
        "name": names.images[image_id],
        "subject": None if pd.isna(image["subject"]) else names.subjects[image["subject"]],
        "truth": int(image["truth"]),
        "kind": None if pd.isna(image["kind"]) else str(image["kind"]).replace("_", " "),
        "group": None if pd.isna(image["group"]) else str(image["group"]),
        "by": said,
    }


def _said(row: pd.Series, pool: PicturePool, image_id: str, chapter: int) -> dict:
    said = {
        "called": int(row["called"]),
        "probability": _rounded(row["probability"]),
        "uncertainty": _rounded(row["uncertainty"]),
        "right": None if row["truth"] < 0 else bool(row["right"]),
        "doubtful": bool(row["doubtful"]),
        "top": row["top"],
        "picture": pool.place_of(chapter, image_id),
        "maps": pool.maps_of(chapter, image_id),
        "heat": pool.words_of(chapter, image_id),
    }
    if row["chosen"]:
        said["atThreshold"] = int(row["at_threshold"])
    if not pd.isna(row["votes"]):
        said |= {"votes": _rounded(row["votes"]), "voted": int(row["voted"])}
    return said


def _doubt_in_words(chapter: Chapter) -> str:
    if any(run.sampled for run in chapter.group.runs):
        return f"less than {100 * chapter.settings.triage.vote_share:g} % of the passes or members vote for the call"
    return f"among the {100 * DOUBTFUL_SHARE:g} % with the highest uncertainty"


def _left_out(total: int, shown: int) -> list[str]:
    if shown == total:
        return []
    return [
        f"{shown:,} of {total:,} test images are shown: those called wrongly first, then the doubtful ones, then a "
        "sample of the others."
    ]


def _rounded(value: float) -> float:
    return round(float(value), 4)
