"""The test images with the predictions of each experiment: what a page sorts, filters and shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from common.predictions import Predictions
from evaluation.core.labelled import score
from evaluation.metrics.classification import call
from evaluation.metrics.thresholds import choose_threshold
from evaluation.report.pictures import PicturePool, fill_pool
from evaluation.report.pseudonyms import Names, name_all
from evaluation.report.sources import Chapter

SEED = 0
TOP = 3  # so many of the most probable classes are shown with an enlarged picture
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
        total: The number of test images.
        key: What leads from the names shown to the true ones; empty where those are shown.
    """

    data: dict[str, Any]
    pictures: list[bytes]
    notes: list[str]
    total: int
    key: pd.DataFrame


def gallery(chapters: list[Chapter], images: int, budget: int, real_names: bool) -> Gallery:
    """Choose the images and describe them.

    Args:
        chapters: What is reported.
        images: At most so many: first those that a chapter predicts wrong, then the doubtful ones, then a sample of the
            others that is always the same.
        budget: Bytes that the pictures may take within the page.
        real_names: Show the names of images and subjects as they are.
    """
    tables = [_describe_chapter(chapter) for chapter in chapters]
    everything = pd.concat(tables).drop_duplicates("image_id")
    names = name_all(everything, real_names)
    pool, chosen = fill_pool(chapters, _choose(tables, images), budget)
    notes = pool.notes
    if len(chosen) < len(everything):
        shown = f"{len(chosen):,} of {len(everything):,} test images are shown"
        order = "those predicted wrong first, then the doubtful ones, then a sample of the others."
        notes = [f"{shown}: {order}", *notes]
    by_name = everything.set_index("image_id")
    by_id = [table.set_index("image_id") for table in tables]
    result = chapters[0].result
    data = {
        "classes": result.classes,
        "positive": None if result.positive_class is None else result.classes.index(result.positive_class),
        "chapters": [chapter.label for chapter in chapters],
        "doubtful": [_definition_of_doubt(chapter) for chapter in chapters],
        "maps": pool.maps,
        "items": [_item(image_id, by_name.loc[image_id], by_id, names, pool) for image_id in chosen],
    }
    return Gallery(data, pool.pictures, notes, len(everything), pd.DataFrame() if real_names else names.key())


def _describe_chapter(chapter: Chapter) -> pd.DataFrame:
    """Describe a chapter's test images, fold after fold."""
    table = pd.concat([_describe_run(run, chapter) for run in chapter.group.runs], ignore_index=True)
    if not any(run.sampled for run in chapter.group.runs):
        # Of equal ones all: at least the share that is said.
        least = table["uncertainty"].quantile(1 - DOUBTFUL_SHARE) if len(table) else 0.0
        table["doubtful"] = table["uncertainty"] >= least
    return table


def _describe_run(run: Predictions, chapter: Chapter) -> pd.DataFrame:
    test = run.part("test")
    probabilities = test.probabilities
    rows = np.arange(len(test.frame))
    predicted = call(probabilities, test.positive_index)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    threshold = choose_threshold(score(run.part("validation")), chapter.settings).value
    table = test.frame[["image_id", "subject", "label", "kind", "group", "uncertainty"]].copy()
    table["truth"] = test.labels
    table["predicted"] = predicted
    table["probability"] = probabilities[rows, predicted]
    table["top"] = [[[int(k), _rounded(probabilities[row, k])] for k in order[row]] for row in rows]
    table["at_threshold"] = predicted
    if threshold is not None:
        table["at_threshold"] = call(probabilities, test.positive_index, threshold)
    table["has_threshold"] = threshold is not None
    table["right"] = predicted == test.labels
    table["votes"] = np.nan
    table["voted"] = -1
    if run.sampled:
        table["votes"] = test.frame["sampled_votes"]
        table["voted"] = test.frame["sampled_label"].map(list(run.classes).index)
    table["doubtful"] = table["votes"] < chapter.settings.triage.vote_share
    return table


def _choose(tables: list[pd.DataFrame], images: int) -> list[str]:
    """Return the image_ids to show: wrong ones first, then doubtful ones, then a sample of the others."""
    joined = pd.concat([table[["image_id", "truth", "right", "doubtful"]] for table in tables])
    joined["wrong"] = (joined["truth"] >= 0) & ~joined["right"]
    each = joined.groupby("image_id").agg(wrong=("wrong", "sum"), doubtful=("doubtful", "any"))
    # The index is sorted by the ids: a shuffle first, so that equals are not in their order.
    each = each.iloc[np.random.default_rng(SEED).permutation(len(each))]
    each = each.assign(right=-each["wrong"], sure=~each["doubtful"])
    return each.sort_values(["right", "sure"], kind="stable").index[:images].tolist()


def _item(
    image_id: str, image: pd.Series, by_id: list[pd.DataFrame], names: Names, pool: PicturePool
) -> dict[str, Any]:
    """Describe an image: ``name``, ``subject``, ``truth``, ``kind``, ``group``, and the prediction ``by`` chapter."""
    by: list[dict[str, Any] | None] = []
    for chapter, table in enumerate(by_id):
        by.append(_prediction(table.loc[image_id], pool, image_id, chapter) if image_id in table.index else None)
    return {
        "name": names.images[image_id],
        "subject": None if pd.isna(image["subject"]) else names.subjects[image["subject"]],
        "truth": int(image["truth"]),
        "kind": None if pd.isna(image["kind"]) else str(image["kind"]).replace("_", " "),
        "group": None if pd.isna(image["group"]) else str(image["group"]),
        "by": by,
    }


def _prediction(row: pd.Series, pool: PicturePool, image_id: str, chapter: int) -> dict[str, Any]:
    maps, heat = pool.heat_of(chapter, image_id)
    item = {
        "predicted": int(row["predicted"]),
        "probability": _rounded(row["probability"]),
        "uncertainty": _rounded(row["uncertainty"]),
        "right": None if row["truth"] < 0 else bool(row["right"]),
        "doubtful": bool(row["doubtful"]),
        "top": row["top"],
        "picture": pool.place_of(chapter, image_id),
        "maps": maps,
        "heat": heat,
    }
    if row["has_threshold"]:
        item["atThreshold"] = int(row["at_threshold"])
    if not pd.isna(row["votes"]):
        item |= {"votes": _rounded(row["votes"]), "voted": int(row["voted"])}
    return item


def _definition_of_doubt(chapter: Chapter) -> str:
    if any(run.sampled for run in chapter.group.runs):
        share = f"{100 * chapter.settings.triage.vote_share:g} %"
        return f"less than {share} of the passes or members vote for the prediction"
    return f"among the {100 * DOUBTFUL_SHARE:g} % with the highest uncertainty"


def _rounded(value: float) -> float:
    return round(float(value), 4)
