"""The test images with the predictions of each experiment, and their pictures, each once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from karyocyte.common.files import read_csv
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pages.thumbnails import read_pictures
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.sections.examples import showcase
from karyocyte.runs.predictions import Predictions
from karyocyte.workflows.report.sources import Chapter

SEED = 0
EXAMPLES = 3  # of each kind
TOP = 3  # so many of the most probable classes are shown with an enlarged picture
DOUBTFUL_SHARE = 0.1
PREDICTED = ["predicted", "probability", "uncertainty", "right", "doubtful", "top"]  # what the script reads of each


@dataclass(frozen=True)
class Gallery:
    """The images that a page shows."""

    # for the page's script, JSON-able: ``classes``, ``positive`` (its index or None), ``chapters`` (labels),
    # ``doubtful`` (what it means), ``maps`` (kinds of heat maps: label and chapter), ``items``
    data: dict[str, Any]
    pictures: list[bytes]  # webP, each once; items hold their places
    notes: list[str]  # what is left out or missing, in sentences
    total: int  # the number of test images
    key: pd.DataFrame  # columns ``shown``, ``image_id`` and ``path``: leads from the names shown to the true ones


class HeatMaps(NamedTuple):
    """The heat maps of a method and layer, ``label``: their places in the pool and what they speak for, by image_id."""

    chapter: int
    label: str
    places: dict[str, int]
    words: dict[str, str]


@dataclass
class PicturePool:
    """Pictures, WebP, and where each is: ``thumbnails`` are the places by image_id, ``notes`` say what is missing."""

    pictures: dict[bytes, int] = field(default_factory=dict)
    thumbnails: dict[str, int] = field(default_factory=dict)  # of the first chapter that has one
    maps: list[HeatMaps] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, files: Iterable[Path], wanted: Sequence[str]) -> dict[str, int]:
        """Put the wanted pictures of files in, those that are not there, and return their places by image_id."""
        pictures: dict[str, bytes] = {}
        for path in files:
            pictures |= read_pictures(path)
        places = {}
        for name in wanted:
            if name in pictures:
                places[name] = self.pictures.setdefault(pictures[name], len(self.pictures))
        return places


def gallery(chapters: list[Chapter], images: int) -> Gallery:
    """Choose the images and describe them.

    At most so many ``images``: first the examples of each chapter, then those that a chapter predicts wrong, then the
    doubtful ones, then a sample of the others that is always the same.
    """
    tables = list(map(_describe, chapters))
    everything = pd.concat(tables)
    everything = everything[~everything.index.duplicated()].copy()
    names = pseudonyms(everything["subject"])
    key = everything[["path"]].assign(shown=names["name"]).reset_index().sort_values("shown")
    examples = list(map(_examples, chapters))
    chosen = _choose(tables, images, chain.from_iterable(examples))
    filled = _fill_pool(chapters, chosen)
    notes = filled.notes
    if len(chosen) < len(everything):
        shown = f"{len(chosen):,} of {len(everything):,} test images are shown"
        order = "examples and those predicted wrong first, then the doubtful ones, then a sample of the others."
        notes = [f"{shown}: {order}", *notes]
    everything[["name", "subject"]] = names
    everything["kind"] = everything["kind"].astype(object).str.replace("_", " ")
    everything = everything.astype(object).where(everything.notna(), None)
    items = everything.loc[chosen, ["name", "subject", "truth", "kind", "group"]].to_dict("records")
    predictions = [table[PREDICTED].astype(object).to_dict("index") for table in tables]
    for image_id, item in zip(chosen, items, strict=True):
        item["by"] = []
        for number, by_image in enumerate(predictions):
            facts = by_image.get(image_id)
            example = {"example": examples[number].get(image_id)}
            item["by"].append(facts and facts | example | _pictures_of(image_id, filled, number))
    data = {
        "classes": chapters[0].result.classes,
        "positive": chapters[0].group.runs[0].positive_index,
        "chapters": [chapter.group.label for chapter in chapters],
        "doubtful": f"among the {100 * DOUBTFUL_SHARE:g} % with the highest uncertainty",
        "maps": [{"chapter": maps.chapter, "label": maps.label} for maps in filled.maps],
        "items": items,
    }
    return Gallery(data, list(filled.pictures), notes, len(everything), key[["shown", "image_id", "path"]])


def _examples(chapter: Chapter) -> dict[str, str]:
    """Choose surely right, surely wrong and doubtful test images; return in words by image_id which each is."""
    test = pool(list(chapter.group.runs)).part("test")
    ids = test.frame["image_id"]
    return {ids[row]: words for row, words in showcase(test, EXAMPLES)}


def pseudonyms(subjects: pd.Series) -> pd.DataFrame:
    """Name images and their subjects so that names identify nobody: S001-01, S001-02, ... of S001.

    The order is that of a shuffle whose seed is fixed: the same images have the same names in every report of theirs,
    and sorting by a name says nothing of the true one. Images of no known subject are I0001, I0002, ...

    Args:
        subjects: None where unknown; the image_ids, each once, are the index.

    Returns:
        The columns ``name`` (of the image) and ``subject``, with the same index in another order.
    """
    subjects = subjects.sort_index()
    subjects = subjects.iloc[np.random.default_rng(SEED).permutation(len(subjects))]
    codes, different = pd.factorize(subjects)
    known = codes >= 0
    numbers = subjects.groupby(codes).cumcount() + 1
    shown = "S" + pd.Series(codes + 1, subjects.index).astype(str).str.zfill(max(3, len(str(len(different)))))
    images = shown + "-" + numbers.astype(str).str.zfill(max(2, len(str(numbers[known].max()))))
    alone = "I" + numbers.astype(str).str.zfill(max(4, len(str((~known).sum()))))
    return pd.DataFrame(
        {"name": images.where(known, alone), "subject": shown.astype(object).where(known, None)}, dtype=object
    )


def _describe(chapter: Chapter) -> pd.DataFrame:
    table = pd.concat([_describe_run(run) for run in chapter.group.runs])
    # Of equal ones all: at least the share that is said.
    table["doubtful"] = table["uncertainty"] >= table["uncertainty"].quantile(1 - DOUBTFUL_SHARE)
    return table.round({"probability": 4, "uncertainty": 4})


def _describe_run(run: Predictions) -> pd.DataFrame:
    test = run.part("test")
    probabilities = test.probabilities
    predicted = call(probabilities, test.positive_index)
    table = test.frame[["image_id", "path", "subject", "kind", "group", "uncertainty"]].copy()
    table["truth"] = test.labels
    table["predicted"] = predicted
    table["probability"] = probabilities[np.arange(len(table)), predicted]
    table["right"] = pd.Series(predicted == test.labels, dtype=object).where(test.labels >= 0, None)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    values = np.take_along_axis(probabilities, order, axis=1).round(4)
    table["top"] = list(map(list, map(zip, order.tolist(), values.tolist())))
    return table.set_index("image_id")


def _choose(tables: list[pd.DataFrame], images: int, first: Iterable[str]) -> list[str]:
    """Return the image_ids to show: ``first`` ones, and before others those predicted wrong, then doubtful ones."""
    joined = pd.concat(tables)
    joined["wrong"] = joined["right"].eq(False)
    each = joined.groupby("image_id").agg(wrong=("wrong", "sum"), doubtful=("doubtful", "any"))
    # The index is sorted by the ids: a shuffle first, so that equals are not in their order.
    each = each.iloc[np.random.default_rng(SEED).permutation(len(each))]
    each = each.sort_values(["wrong", "doubtful"], ascending=False, kind="stable")
    chosen = list(dict.fromkeys([*first, *each.index]))[:images]
    return list(each.index[each.index.isin(chosen)])


def _pictures_of(image_id: str, pool: PicturePool, chapter: int) -> dict[str, Any]:
    """Return where the picture and the heat maps of an image are, and what these speak for."""
    found: dict[str, Any] = {"picture": pool.thumbnails.get(image_id), "maps": {}, "heat": {}}
    for number, maps in enumerate(pool.maps):
        if maps.chapter == chapter and image_id in maps.places:
            found["maps"][number] = maps.places[image_id]
            if image_id in maps.words:
                found["heat"][number] = maps.words[image_id]
    return found


def _fill_pool(chapters: list[Chapter], chosen: list[str]) -> PicturePool:
    """Gather the pictures and the heat maps of the chosen images."""
    pool = PicturePool()
    for number, chapter in enumerate(chapters):
        thumbnails = [run.thumbnails for run in chapter.runs if run.thumbnails.is_file()]
        pool.thumbnails |= pool.add(thumbnails, sorted(set(chosen).difference(pool.thumbnails)))
        for label, paths in chapter.heatmaps.items():
            words: dict[str, str] = {}
            for path in paths:
                words |= heat_words(path)
            # Maps may be of other images than the chosen ones: then they are not shown.
            places = pool.add(paths, chosen)
            if places:
                pool.maps.append(HeatMaps(number, label, places, words))
    missing = len(set(chosen).difference(pool.thumbnails))
    if missing:
        pool.notes.append(
            f"{missing:,} images have no picture: a training writes them, with evaluation.thumbnails above 0."
        )
    if not pool.maps:
        pool.notes.append("The runs left no heat maps: python scripts/explain.py heatmaps RUN makes them.")
    return pool


def heat_words(maps: Path) -> dict[str, str]:
    """Return for each image_id what its heat map in the file ``maps`` speaks for, where that was written down."""
    table = maps.with_suffix(".csv")
    if not table.is_file():
        return {}
    frame = read_csv(table, dtype=str, keep_default_na=False)
    verbs = frame["empty"].map({"True": "nothing speaks"}).fillna("what speaks")
    words = verbs + " for “" + frame["target"] + "”"
    return dict(zip(frame["image_id"], words, strict=True))
