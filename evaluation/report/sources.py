"""What lies in the folders of runs, as far as a report shows it. No model is loaded, and no image of the data."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions, read_predictions
from common.runs.history import read_history
from common.thumbnails import HEATMAPS, THUMBNAILS, read_pictures
from evaluation.evaluate import evaluate_runs
from evaluation.intervals.grouping import Group, group_runs

CLASSLESS = "eigencam"  # a method that knows no class


@dataclass(frozen=True)
class Source:
    """One run's folder; what is not there is empty.

    Attributes:
        folder: The run's, or that of an ensemble.
        predictions: What it predicts.
    """

    folder: Path
    predictions: Predictions

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration that it was trained with."""
        path = self.folder / "config.yaml"
        if path.is_file():
            return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {}

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per epoch."""
        return read_history(self.folder)

    @cached_property
    def split(self) -> pd.DataFrame:
        """A row per image of the data set, with its part."""
        path = self.folder / "split.csv"
        # A subject may be called 007.
        if path.is_file():
            return pd.read_csv(path, dtype=str, keep_default_na=False)
        return pd.DataFrame()

    def facts(self, name: str) -> dict[str, Any]:
        """Return what a JSON file of the folder holds, such as ``environment.json``.

        Raises:
            UserError: It is no JSON.
        """
        path = self.folder / name
        try:
            if path.is_file():
                return json.loads(path.read_text(encoding="utf-8"))
            return {}
        except json.JSONDecodeError as error:
            raise UserError(f"{path} is no JSON ({error}): mend it, or take it away") from error

    def table(self, name: str) -> pd.DataFrame:
        """Return a CSV table of the folder, empty where there is none."""
        path = self.folder / name
        if path.is_file():
            return pd.read_csv(path)
        return pd.DataFrame()

    def thumbnails(self) -> dict[str, bytes]:
        """Return the small picture of each image_id."""
        path = self.folder / THUMBNAILS
        if path.is_file():
            return read_pictures(path)
        return {}

    def heatmaps(self) -> dict[str, dict[str, bytes]]:
        """Return the heat maps of each image_id, by method and layer."""
        files = sorted((self.folder / HEATMAPS).glob("*.parquet"))
        return {path.stem: read_pictures(path) for path in files}

    def heat_words(self, kind: str) -> dict[str, str]:
        """Return for each image_id what its heat map of a method and layer speaks for, where that was written down."""
        path = self.folder / HEATMAPS / f"{kind}.csv"
        if path.is_file():
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        else:
            table = pd.DataFrame()
        if not {"image_id", "target", "empty"} <= {*table.columns}:
            return {}
        rows = zip(table["image_id"], table["target"], table["empty"], strict=True)
        if kind.startswith(CLASSLESS):
            return {image_id: "whatever the class" for image_id, _, _ in rows}
        return {
            image_id: f"nothing speaks for “{target}”" if empty == "True" else f"what speaks for “{target}”"
            for image_id, target, empty in rows
        }


@dataclass(frozen=True)
class Chapter:
    """One experiment: a run, an ensemble, or the folds of either.

    Attributes:
        group: Its runs and its short name.
        sources: Their folders, as many as runs.
        settings: How it is judged.
        judgement: What ``judge.evaluate_runs`` says.
    """

    group: Group
    sources: tuple[Source, ...]
    settings: EvaluationConfig
    judgement: dict

    @property
    def label(self) -> str:
        """Its short name, unlike every other chapter's."""
        return self.group.label


def read_chapters(folders: list[Path]) -> list[Chapter]:
    """Read runs, gather the folds of each experiment, and judge them as they were judged.

    Args:
        folders: Run folders, or their predictions.parquet.

    Raises:
        UserError: No run, a run named twice, or a file that cannot be read.
    """
    folders = [folder.parent if folder.is_file() else folder for folder in folders]
    resolved = [folder.resolve() for folder in folders]
    twice = [folder for place, folder in enumerate(resolved) if folder in resolved[:place]]
    if not folders or twice:
        raise UserError(f"{twice[0]} is named twice: name each run once" if twice else "name at least one run")
    sources = [Source(folder, read_predictions(folder)) for folder in folders]
    named = {str(source.folder): source for source in sources}
    groups = group_runs([source.predictions for source in sources], list(named))
    _check_one_task([(group.label, run) for group in groups for run in group.runs])
    return [_chapter(group, tuple(named[name] for name in group.names)) for group in groups]


def _check_one_task(runs: list[tuple[str, Predictions]]) -> None:
    """Raise where runs have other classes than the first, or call another image by the same name."""
    label, first = runs[0]
    known: dict[str, tuple] = {}
    for other, run in runs:
        if (run.classes, run.positive_class) != (first.classes, first.positive_class):
            raise UserError(
                f"{label} tells {', '.join(first.classes)} apart (positive {first.positive_class}), {other} "
                f"{', '.join(run.classes)} (positive {run.positive_class}): make a report of each task"
            )
        frame = run.part("test").frame[["image_id", "label", "subject"]].astype(object)
        for image_id, *said in frame.where(frame.notna(), None).itertuples(index=False):
            if known.setdefault(image_id, tuple(said)) != tuple(said):
                raise UserError(
                    f"image {image_id} has another label or subject in {other} than in a run before it: make a report "
                    "of each data set"
                )


def _chapter(group: Group, sources: tuple[Source, ...]) -> Chapter:
    said = sources[0].facts("metrics.json").get("settings") or sources[0].config.get("evaluation") or {}
    # A newer or older run may know other keys.
    settings = EvaluationConfig(**{key: value for key, value in said.items() if key in EvaluationConfig.model_fields})
    return Chapter(group, sources, settings, evaluate_runs(list(group.runs), settings))
