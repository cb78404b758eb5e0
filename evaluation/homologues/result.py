"""The results of an evaluation of comparisons of homologues; their fields are the keys of homologues.json."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from evaluation.result import Interval

Level = Literal["pair", "cell", "case pair", "case"]  # "case pair": a pair's mean over the cells of a case


@dataclass(frozen=True)
class HomologueMetric:
    """A metric with its interval by case.

    Attributes:
        level: What is evaluated.
        metric: "auc", "sensitivity", "specificity", "alarmed", "localised", "localised by
            chance", "localised by a fixed place" or "which".
        kind: What was done to the pair: one of `items.ABNORMAL`, "all" of them, one of `items.NORMAL`, or
            `items.CONTROL`.
        subset: Which sizes: "all", "size < 0.15", ...
        against: What it is compared with; empty where with nothing.
        cells: Of each case, one of `evaluate.CELLS_OF_CASES`; empty of pairs and cells.
        items: Number of pairs, cells or cases of the kind.
        interval: Value and ends.
    """

    level: Level
    metric: str
    kind: str
    subset: str
    against: str
    cells: str
    items: int
    interval: Interval

    @property
    def name(self) -> str:
        """The name in tables of results: ``<metric>_<level>/<kind>``, then what else differs from the usual."""
        parts = [f"{self.metric}_{self.level}", self.kind]
        parts += [part for part in (self.subset, self.against) if part not in ("all", "normal", "")]
        if self.cells:
            parts.append(f"{self.cells} cells")
        return "/".join(parts)


@dataclass(frozen=True)
class DetectionCurve:
    """Sensitivity of a kind by size, and the size from which on it is reached.

    ``sizes`` are means of the items of each bin (shares of the length), ``limit`` is None-valued where not reached.
    """

    kind: str
    sizes: list[float]
    items: list[int]
    sensitivities: list[Interval]
    limit: Interval


@dataclass(frozen=True)
class ChromosomeResult:
    """One chromosome: AUC of its pairs, and false alarms of its untouched ones.

    ``variable`` tells whether normal homologues often differ (heteromorphism); ``false_alarms`` is the share of pairs
    above the threshold of pairs, ``cell_alarms`` the number of normal cells that alarm by it.
    """

    chromosome: str
    variable: bool
    pairs: int
    auc: Interval
    false_alarms: Interval
    cell_alarms: int


@dataclass(frozen=True)
class HomologueResult:
    """All of it.

    Attributes:
        about: Facts of the run, or of all folds.
        confidence: Of intervals, 0 to 1.
        cases: Number of test cases.
        cells: Number of test cells.
        items: Number of test items.
        metrics: Those of pairs, cells and cases.
        curves: By kind.
        chromosomes: In their order.
        calls: What the found items of each kind are called: counts.
    """

    about: dict[str, Any]
    confidence: float
    cases: int
    cells: int
    items: int
    metrics: list[HomologueMetric]
    curves: list[DetectionCurve]
    chromosomes: list[ChromosomeResult]
    calls: dict[str, dict[str, int]]

    def find(self, level: Level, metric: str, kind: str, **others: str) -> Interval | None:
        """Return a metric; ``others`` are fields that differ from all sizes, normal ones and no number of cells."""
        wanted = {"level": level, "metric": metric, "kind": kind, "subset": "all", "cells": ""} | others
        for each in self.metrics:
            if all(getattr(each, name) == value for name, value in wanted.items()):
                return each.interval
        return None

    def named(self) -> dict[str, Interval]:
        """Return the intervals by their names in tables of results."""
        limits = {f"size_limit/{curve.kind}": curve.limit for curve in self.curves}
        return {each.name: each.interval for each in self.metrics} | limits

    def to_dict(self) -> dict[str, Any]:
        """Return what homologues.json holds."""
        return asdict(self)

    def metrics_table(self) -> pd.DataFrame:
        """Return a row per metric."""
        rows = []
        for each in self.metrics:
            row = {
                name: getattr(each, name) for name in ("level", "metric", "kind", "subset", "against", "cells", "items")
            }
            interval = each.interval
            rows.append(row | {"cases": interval.clusters} | interval.columns("value") | {"method": interval.method})
        return pd.DataFrame(rows)

    def curves_table(self) -> pd.DataFrame:
        """Return a row per kind and bin of sizes."""
        rows = []
        for curve in self.curves:
            for size, items, sensitivity in zip(curve.sizes, curve.items, curve.sensitivities, strict=True):
                row = {"kind": curve.kind, "size": size, "items": items} | sensitivity.columns("sensitivity")
                rows.append(row | curve.limit.columns("size_limit"))
        return pd.DataFrame(rows)

    def chromosomes_table(self) -> pd.DataFrame:
        """Return a row per chromosome."""
        rows = []
        for each in self.chromosomes:
            row = {"chromosome": each.chromosome, "variable": each.variable, "pairs": each.pairs}
            row |= each.auc.columns("auc") | each.false_alarms.columns("false_alarms")
            rows.append(row | {"cell_alarms": each.cell_alarms})
        return pd.DataFrame(rows)
