"""The test images with the predictions of each experiment, and their pictures: each once, within a page's size."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from common.predictions import Predictions
from common.thumbnails import heat_words, read_pictures
from evaluation.core.labelled import score
from evaluation.metrics.classification import call
from evaluation.metrics.thresholds import choose_threshold
from workflows.report.sources import Chapter

SEED = 0
TOP = 3  # so many of the most probable classes are shown with an enlarged picture
DOUBTFUL_SHARE = 0.1


@dataclass(frozen=True)
class Gallery:
    """The images that a page shows.

    Attributes:
        data: For the page's script, JSON-able: ``classes``, ``positive`` (its index or None), ``chapters`` (labels),
            ``doubtful`` (what it means, by chapter), ``maps`` (kinds of heat maps: label and chapter), ``items``.
        pictures: WebP, each once; items hold their places.
        notes: What is left out or missing, in sentences.
        total: The number of test images.
        key: Columns ``shown`` and ``image_id``: leads from the names shown to the true ones; else empty.
    """

    data: dict[str, Any]
    pictures: list[bytes]
    notes: list[str]
    total: int
    key: pd.DataFrame


class HeatMaps(NamedTuple):
    """The heat maps of a method and layer, ``label``: their places in the pool and what they speak for, by image_id."""

    chapter: int
    label: str
    places: dict[str, int]
    words: dict[str, str]


@dataclass
class PicturePool:
    """Pictures, WebP, and where each is: ``thumbnails`` are the places by image_id, of each chapter.

    They take ``size`` bytes within the page, at most ``budget``; ``notes`` say what is missing or left out.
    """

    budget: int
    pictures: dict[bytes, int] = field(default_factory=dict)
    thumbnails: list[dict[str, int]] = field(default_factory=list)
    maps: list[HeatMaps] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, pictures: dict[str, bytes]) -> dict[str, int] | None:
        """Put pictures in, those that are not there, and return their places; None where they are too large."""
        # As lines of base64.
        more = sum(-(-len(picture) // 3) * 4 + 1 for picture in set(pictures.values()) - self.pictures.keys())
        if self.size + more > self.budget:
            return None
        self.size += more
        return {name: self.pictures.setdefault(picture, len(self.pictures)) for name, picture in pictures.items()}

    def place_of(self, chapter: int, image_id: str) -> int | None:
        """Return where the picture of an image is: the chapter's own, else that of the first which has it."""
        for places in (self.thumbnails[chapter], *self.thumbnails):
            if image_id in places:
                return places[image_id]
        return None


def gallery(chapters: list[Chapter], images: int, budget: int, real_names: bool) -> Gallery:
    """Choose the images and describe them.

    At most so many ``images``: first those that a chapter predicts wrong, then the doubtful ones, then a sample of the
    others that is always the same. Their pictures take ``budget`` bytes within the page at most.
    """
    tables = [_describe(chapter) for chapter in chapters]
    everything = pd.concat(tables)
    everything = everything[~everything.index.duplicated()]
    names = everything.assign(name=everything.index) if real_names else pseudonyms(everything["subject"])
    pool, chosen = _fill_pool(chapters, _choose(tables, images), budget)
    notes = pool.notes
    if len(chosen) < len(everything):
        shown = f"{len(chosen):,} of {len(everything):,} test images are shown"
        order = "those predicted wrong first, then the doubtful ones, then a sample of the others."
        notes = [f"{shown}: {order}", *notes]
    items = []
    for image_id in chosen:
        image = everything.loc[image_id]
        subject = names["subject"][image_id]
        item = {
            "name": names["name"][image_id],
            "subject": None if pd.isna(subject) else subject,
            "truth": int(image["truth"]),
            "kind": None if pd.isna(image["kind"]) else str(image["kind"]).replace("_", " "),
            "group": None if pd.isna(image["group"]) else str(image["group"]),
            "by": [],
        }
        for number, table in enumerate(tables):
            prediction = None
            if image_id in table.index:
                prediction = _prediction(image_id, table.loc[image_id], pool, number)
            item["by"].append(prediction)
        items.append(item)
    result = chapters[0].result
    data = {
        "classes": result.classes,
        "positive": None if result.positive_class is None else result.classes.index(result.positive_class),
        "chapters": [chapter.label for chapter in chapters],
        "doubtful": [_definition_of_doubt(chapter) for chapter in chapters],
        "maps": [{"chapter": maps.chapter, "label": maps.label} for maps in pool.maps],
        "items": items,
    }
    key = pd.DataFrame()
    if not real_names:
        key = names["name"].rename("shown").reset_index().sort_values("shown")[["shown", "image_id"]]
    return Gallery(data, list(pool.pictures), notes, len(everything), key)


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
    wide = max(2, len(str(numbers[known].max())))
    digits = max(3, len(str(len(different))))
    alone = max(4, len(str((~known).sum())))
    rows = []
    for code, number in zip(codes, numbers, strict=True):
        subject = f"S{code + 1:0{digits}d}" if code >= 0 else None
        rows.append((f"{subject}-{number:0{wide}d}" if subject else f"I{number:0{alone}d}", subject))
    return pd.DataFrame(rows, index=subjects.index, columns=["name", "subject"], dtype=object)


def _describe(chapter: Chapter) -> pd.DataFrame:
    table = pd.concat([_describe_run(run, chapter) for run in chapter.group.runs])
    if not any(run.sampled for run in chapter.group.runs):
        # Of equal ones all: at least the share that is said.
        least = table["uncertainty"].quantile(1 - DOUBTFUL_SHARE) if len(table) else 0.0
        table["doubtful"] = table["uncertainty"] >= least
    return table


def _describe_run(run: Predictions, chapter: Chapter) -> pd.DataFrame:
    test = run.part("test")
    probabilities = test.probabilities
    predicted = call(probabilities, test.positive_index)
    threshold = choose_threshold(score(run.part("validation")), chapter.settings).value
    table = test.frame[["image_id", "subject", "kind", "group", "uncertainty"]].copy()
    table["truth"] = test.labels
    table["predicted"] = predicted
    table["probability"] = probabilities[np.arange(len(table)), predicted]
    table["right"] = predicted == test.labels
    table["at_threshold"] = np.nan if threshold is None else call(probabilities, test.positive_index, threshold)
    table["votes"] = test.frame["sampled_votes"] if run.sampled else np.nan
    table["voted"] = test.frame["sampled_label"].map(list(run.classes).index) if run.sampled else np.nan
    table["doubtful"] = table["votes"] < chapter.settings.triage.vote_share
    top = []
    for row, order in zip(probabilities, np.argsort(-probabilities, axis=1, kind="stable"), strict=True):
        top.append([[int(k), _rounded(row[k])] for k in order[:TOP]])
    table["top"] = top
    return table.set_index("image_id")


def _choose(tables: list[pd.DataFrame], images: int) -> list[str]:
    """Return the image_ids to show: wrong ones first, then doubtful ones, then a sample of the others."""
    joined = pd.concat(tables)
    joined["wrong"] = (joined["truth"] >= 0) & ~joined["right"]
    each = joined.groupby("image_id").agg(wrong=("wrong", "sum"), doubtful=("doubtful", "any"))
    # The index is sorted by the ids: a shuffle first, so that equals are not in their order.
    each = each.iloc[np.random.default_rng(SEED).permutation(len(each))]
    each = each.sort_values(["wrong", "doubtful"], ascending=False, kind="stable")
    return list(each.index[:images])


def _prediction(image_id: str, row: pd.Series, pool: PicturePool, chapter: int) -> dict[str, Any]:
    item = {
        "predicted": int(row["predicted"]),
        "probability": _rounded(row["probability"]),
        "uncertainty": _rounded(row["uncertainty"]),
        "right": None if row["truth"] < 0 else bool(row["right"]),
        "doubtful": bool(row["doubtful"]),
        "top": row["top"],
        "picture": pool.place_of(chapter, image_id),
        "maps": {},
        "heat": {},
    }
    for number, maps in enumerate(pool.maps):
        if maps.chapter == chapter and image_id in maps.places:
            item["maps"][number] = maps.places[image_id]
            if image_id in maps.words:
                item["heat"][number] = maps.words[image_id]
    if not pd.isna(row["at_threshold"]):
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


def _fill_pool(chapters: list[Chapter], chosen: list[str], budget: int) -> tuple[PicturePool, list[str]]:
    """Gather as many pictures as ``budget`` bytes hold: those of the chosen images first, then heat maps.

    Returns:
        The pool, and the image_ids that remain: where the pictures are too large, the first of the chosen ones.
    """
    pool = PicturePool(budget, thumbnails=[{} for _ in chapters])
    available: list[dict[str, bytes]] = [{} for _ in chapters]
    for pictures, chapter in zip(available, chapters, strict=True):
        for run in chapter.runs:
            if run.thumbnails.is_file():
                pictures |= read_pictures(run.thumbnails)
    remaining: list[str] = []
    missing = 0
    for image_id in chosen:
        own = {str(number): pictures[image_id] for number, pictures in enumerate(available) if image_id in pictures}
        places = pool.add(own)
        if places is None:
            pool.notes.append(
                f"The page would be too large with more than {len(remaining):,} pictures: see --megabytes."
            )
            break
        remaining.append(image_id)
        missing += not own
        for number, place in places.items():
            pool.thumbnails[int(number)][image_id] = place
    command = "a training writes them, with evaluation.thumbnails above 0."
    if not any(available):
        pool.notes.insert(0, f"The runs left no pictures: {command}")
    elif missing:
        pool.notes.append(f"{missing:,} images have no picture: {command}")
    _add_maps(pool, chapters, set(remaining))
    return pool, remaining


def _add_maps(pool: PicturePool, chapters: list[Chapter], wanted: set[str]) -> None:
    left_out = []
    for number, chapter in enumerate(chapters):
        kinds: dict[str, dict[str, bytes]] = {}
        words: dict[str, dict[str, str]] = {}
        for run in chapter.runs:
            for path in run.heatmaps:
                pictures = kinds.setdefault(path.stem, {})
                pictures |= {name: picture for name, picture in read_pictures(path).items() if name in wanted}
                words[path.stem] = words.get(path.stem, {}) | heat_words(path)
        for label, pictures in kinds.items():
            places = pool.add(pictures)
            if places is None:
                left_out.append(label)
            elif places:
                pool.maps.append(HeatMaps(number, label, places, words[label]))
    if left_out:
        pool.notes.append(f"Left out, since the page would be too large: heat maps {', '.join(left_out)}.")
    elif not pool.maps:
        pool.notes.append("The runs left no heat maps: python scripts/explain.py heatmaps RUN makes them.")
