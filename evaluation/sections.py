"""The sections of an evaluation and the pictures of its images: functions that a YAML names by ``_target_``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.labelled_runs import LabelledRuns
from evaluation.result import SECTION_FIELDS, Estimate, EvaluationResult, EvaluationWarning


@dataclass(frozen=True)
class Findings:
    """What a section found, beside the metrics."""

    value: Any = None  # of the field of ``EvaluationResult`` that has the section's name; None leaves it as it is
    warnings: list[EvaluationWarning] = field(default_factory=list)  # what limits the value
    # contents of CSV files, by their names without the ending
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    # what draws the whole result to a PNG, by the names of the files without the ending
    figures: Mapping[str, Callable[[Path, EvaluationResult], None]] = field(default_factory=dict)


@dataclass(frozen=True)
class FindingsWithoutValue(Findings):
    """What a section returns, by its annotation, whose name is no field of ``EvaluationResult``."""

    value: None = field(default=None, init=False)


def flat_table(rows: Sequence[Any], intervals: Sequence[str] = (), **prefixes: str) -> pd.DataFrame:
    """Return dataclasses as rows of a flat table for a CSV file.

    Estimates have columns for their ends, lists (of folds) are one text, dictionaries have a column for each key.

    Args:
        rows: Of one type; its field ``name`` is the column "class".
        intervals: Fields that have three columns also where they are None.
        prefixes: Of the columns of fields that are dictionaries.
    """
    table = []
    for row in rows:
        cells: dict[str, object] = {}
        for name, value in vars(row).items():
            named = {name.replace("name", "class"): value}
            if isinstance(value, dict):
                named = {prefixes.get(name, "") + key: inner for key, inner in value.items()}
            for column, cell in named.items():
                if cell is None and column in intervals:
                    cell = Estimate(None, None, None)
                if isinstance(cell, Estimate):
                    cells |= cell.columns(column)
                elif isinstance(cell, list):
                    cells[column] = " ".join(f"{number:.6g}" for number in cell)
                else:
                    cells[column] = cell
        table.append(cells)
    return pd.DataFrame(table)


def drawn_by(target: str, *arguments: Any) -> Callable[[Path, EvaluationResult], None]:
    """Draw by a function that is imported only then: matplotlib costs seconds that other evaluations need not spend.

    Args:
        target: Called with the path of the PNG and the result.
        arguments: Further arguments of the function.
    """

    def draw(path: Path, result: EvaluationResult) -> None:
        """Import the function and draw."""
        resolve_name(target)(path, result, *arguments)

    return draw


# Called with the images and the result so far: the metrics, and the fields of earlier sections.
Section = Callable[[LabelledRuns, EvaluationResult], Findings]


def build_sections(settings: EvaluationConfig) -> dict[str, Section]:
    """Return the functions of ``evaluation.sections`` by their names; a ``UserError`` names one that does not fit."""
    sections = _functions("sections", settings.sections, 2)
    for name, section in sections.items():
        returns = getattr(section.func, "__annotations__", {}).get("return")
        if name not in SECTION_FIELDS and returns not in (FindingsWithoutValue, FindingsWithoutValue.__name__):
            raise UserError(
                f"evaluation.sections.{name}: EvaluationResult has no field {name} for the section's value: name it "
                f"{', '.join(SECTION_FIELDS)}, or annotate its function with -> FindingsWithoutValue"
            )
    return dict(sections)


def write_pictures(folder: Path, test: Predictions, images: Any, rows: np.ndarray, settings: EvaluationConfig) -> None:
    """Write what ``evaluation.pictures`` names: pictures of test images.

    Args:
        folder: The run's folder.
        test: Predictions of the test part.
        images: uint8, shape (M, H, W, 3) RGB, or an object that reads them by their index.
        rows: Index into ``images`` of each row of ``test``, int64, shape (N,).
        settings: Of the evaluation.
    """
    for write in _functions("pictures", settings.pictures, 5).values():
        write(folder, test, images, rows, settings)


def check_sections(settings: EvaluationConfig) -> None:
    """Find all functions once, so that a ``UserError`` comes before a training."""
    build_sections(settings)
    _functions("pictures", settings.pictures, 5)


def _functions(key: str, entries: Mapping[str, Mapping[str, Any]], count: int) -> dict[str, partial[Any]]:
    """Return the functions of entries, which take ``count`` arguments beside those of the entry."""
    functions = {}
    for name, entry in entries.items():
        arguments = dict(entry)
        target = arguments.pop("_target_")
        try:
            function = resolve_name(target)
            signature(function).bind(*range(count), **arguments)
        except Exception as error:  # whatever an import raises
            reason = str(error).partition("\n")[0]
            remedy = "correct its _target_ and arguments"
            raise UserError(f"evaluation.{key}.{name}: {target}: {reason}; {remedy}") from error
        functions[name] = partial(function, **arguments)
    return functions
