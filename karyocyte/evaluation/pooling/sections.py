"""What a section of an evaluation takes and returns, and the sections of installed packages and of users."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.common.installed import entries
from karyocyte.config.build import bound
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.types.result import EvaluationResult, EvaluationWarning, Figures, Matrix
from karyocyte.runs.predictions import Predictions

Drawing = Callable[[Path, EvaluationResult], None]  # draws a result to a PNG


@dataclass(frozen=True)
class Findings:
    """What a section found, beside the metrics."""

    fields: Mapping[str, Any] = field(default_factory=dict)  # of ``EvaluationResult``, by their names
    warnings: list[EvaluationWarning] = field(default_factory=list)  # what limits it
    metrics: Figures = field(default_factory=dict)  # for the table of the result
    # contents of CSV files, by their names without the ending
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    # what draws the whole result to a PNG, by the names of the files without the ending
    figures: Mapping[str, Drawing] = field(default_factory=dict)
    confusions: dict[str, Matrix] = field(default_factory=dict)  # of the test images, by section of the metrics


# Called with the images and the result so far: the metrics, and the fields of earlier sections.
Section = Callable[[LabelledRuns, EvaluationResult], Findings]


def added_sections(settings: EvaluationConfig) -> list[Section]:
    """Return the functions of ``karyocyte.sections``.

    They are named ``<switch>.<key>``; only those are loaded for which ``evaluation.<switch>.enabled`` is true.
    """
    named = entries("sections").items()
    return [entry.load() for name, entry in named if getattr(settings, name.partition(".")[0]).enabled]


def check_switches(settings: EvaluationConfig) -> None:
    """Refuse what no installed package can do: nothing that is asked for is left out in silence."""
    for name, section in settings:
        if getattr(section, "enabled", False) and name not in entries("switches"):
            key = f"evaluation.{name}.enabled"
            raise UserError(f"{key}=true needs a package that is not installed: make setup, or set {key}=false")


def turned_on(settings: EvaluationConfig, runs: Sequence[Predictions], kept: Collection[str] = ()) -> EvaluationConfig:
    """Set each switch by what ``karyocyte.switches`` has for it, but for the keys in ``kept``.

    That is called with the runs, and returns None where they have what is switched, else why not.
    """
    changed = {}
    for switch, entry in entries("switches").items():
        if f"{switch}.enabled" not in kept:
            enabled = entry.load()(*runs) is None
            changed[switch] = getattr(settings, switch).model_copy(update={"enabled": enabled})
    return settings.model_copy(update=changed)


def own_sections(settings: EvaluationConfig) -> list[Section]:
    """Return the functions that ``evaluation.extra`` names, bound to their arguments.

    Raises:
        UserError: One cannot be imported or called, or does not return `Findings` by its annotation.
    """
    check_switches(settings)
    sections: list[Section] = []
    for name, extra in settings.extra.items():
        key = f"evaluation.extra.{name}"
        section = bound(key, extra.entry)
        try:
            signature(section.func).bind(*range(2), **section.keywords)
        except (TypeError, ValueError) as error:
            raise UserError(f"{key}: {extra.target}: {error}; correct its _target_ and arguments") from error
        if signature(section.func).return_annotation not in (Findings, Findings.__name__):
            remedy = "annotate its function with -> Findings, and return tables, figures and warnings"
            raise UserError(f"{key}: {extra.target} returns something else: {remedy}")
        sections.append(section)
    return sections
