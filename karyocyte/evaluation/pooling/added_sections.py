"""The sections of an evaluation that installed packages add, and which of them the settings turn on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from karyocyte.common.installed import entries
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Drawing, Findings, Section
from karyocyte.evaluation.types.added import Shown
from karyocyte.evaluation.types.result import EvaluationResult, EvaluationWarning
from karyocyte.runs.predictions import Predictions


@dataclass(frozen=True)
class AddedSection:
    """What an entry point ``<switch>.<key>`` of the group ``karyocyte.sections`` names.

    It is loaded and called where ``evaluation.<switch>.enabled``, and its value is ``<key>`` of ``metrics.json``.
    """

    findings: Section
    read: Callable[[dict[str, Any]], dict[str, Any]]  # the value from JSON; both below the key, which errors name
    fits: Callable[[Sequence[Predictions]], bool]  # whether runs have what it evaluates
    show: Callable[[EvaluationResult], Shown]  # called with a result that has a value of it


def added(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    """Join the findings of the sections that are turned on; the value has theirs by their keys."""
    values: dict[str, Any] = {}
    warnings: list[EvaluationWarning] = []
    tables: dict[str, pd.DataFrame] = {}
    figures: dict[str, Drawing] = {}
    for name, entry in entries("sections").items():
        switch, key = name.split(".")
        if getattr(runs.settings, switch).enabled:
            findings: Findings = entry.load().findings(runs, result)
            if findings.value is not None:
                values[key] = findings.value
            warnings += findings.warnings
            tables |= findings.tables
            figures |= findings.figures
    return Findings(values, warnings, tables, figures)


def turned_on(settings: EvaluationConfig, runs: Sequence[Predictions], kept: Collection[str] = ()) -> EvaluationConfig:
    """Turn on each switch of which a section fits the runs, and off each other one, but for the keys in ``kept``."""
    switches: dict[str, bool] = {}
    for name, entry in entries("sections").items():
        switch = name.split(".")[0]
        if f"{switch}.enabled" not in kept:
            switches[switch] = switches.get(switch, False) or entry.load().fits(runs)
    changed = {}
    for switch, enabled in switches.items():
        changed[switch] = getattr(settings, switch).model_copy(update={"enabled": enabled})
    return settings.model_copy(update=changed)
