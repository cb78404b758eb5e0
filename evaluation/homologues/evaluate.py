"""The evaluation of comparisons of homologues: of one run, or of the folds of one experiment pooled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import say
from common.config.schema import EvaluationConfig
from common.files import write_csv
from common.karyotype import CHROMOSOMES
from common.predictions import VALIDATION, Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.homologues import levels
from evaluation.homologues.calibration import sidak
from evaluation.homologues.detection import detection_curve
from evaluation.homologues.items import (
    ABNORMAL,
    BOTH_SIDES,
    CALLS,
    CONTROL,
    NORMAL,
    PARTNER,
    TRANSLOCATION,
    UNTOUCHED,
    PairItems,
    both_sides,
)
from evaluation.homologues.localisation import fixed_place_hits
from evaluation.homologues.result import ChromosomeResult, HomologueMetric, HomologueResult, Level
from evaluation.homologues.statistics import Scored, auc, share
from evaluation.intervals.pooling import merge_facts

SPECIFICITY = 0.95  # of pairs, and of cells, at their thresholds
SMALL = 0.15  # of the length
SMALL_ARM_CHANGE = 0.04  # of the length
# Normal homologues often differ: heterochromatin of 1, 9 and 16, satellites of the acrocentric ones.
VARIABLE = ("1", "9", "16", "13", "14", "15", "21", "22")


@dataclass(frozen=True)
class CellsOfCase:
    """Which cells of the cases are evaluated: ``count`` of them, or all where there are so ``many`` or more.

    ``changed`` is the share of them that has the rearrangement: 1, or less in a clone.
    """

    name: str
    count: int
    many: bool = False
    changed: float = 1.0


CELLS_OF_CASES = (
    CellsOfCase("1", 1),
    CellsOfCase("2", 2),
    CellsOfCase("1 of 2", 2, changed=0.5),
    CellsOfCase("3+", 3, many=True),
    CellsOfCase("half of 3+", 3, many=True, changed=0.5),
)


@dataclass(frozen=True)
class Subset:
    """The rearranged items of a kind and of some sizes: ``rows`` is a mask."""

    kind: str
    name: str
    rows: np.ndarray


class HeldOutItems:
    """The test items, and what is measured on them.

    Args:
        items: Of one run, or of folds.
        settings: Of intervals.
    """

    def __init__(self, items: PairItems, settings: EvaluationConfig) -> None:
        self.items = items
        self.settings = settings
        test = items.part("test")
        limits = items.thresholds(SPECIFICITY)
        self.test = test.assign(found=test["calibrated"].to_numpy() > limits[test["fold"]])
        self.abnormal = self.test[self.test["kind"].isin(ABNORMAL)].reset_index(drop=True)
        self.normal = self.test[self.test["kind"].isin(NORMAL)].reset_index(drop=True)
        self.untouched = self.normal[self.normal["kind"] == UNTOUCHED].reset_index(drop=True)
        self.cells = levels.cells_of(self.untouched)
        self.cell_limits = self._cell_limits()

    def metrics(self) -> list[HomologueMetric]:
        """Return all metrics of pairs, cells and cases."""
        return [
            *self._pairs(),
            *self._both_sides(),
            *self._controls(),
            *self._cells(),
            *self._cases(),
            *self._found(),
            *self._alarms(),
        ]

    def chromosomes(self) -> list[ChromosomeResult]:
        """Return what is found of each chromosome."""
        results = []
        alarms = self.cells.suspect()[self._cell_alarms()]
        for number in np.unique(self.untouched["chromosome"]):
            of_it = [each[each["chromosome"] == number] for each in (self.abnormal, self.normal, self.untouched)]
            abnormal, normal, untouched = of_it
            false_alarms = share(untouched["found"].to_numpy(), untouched["cluster"].to_numpy(), self.settings)
            area = auc(_of_pairs(abnormal), _of_pairs(normal), self.settings)
            name = CHROMOSOMES[number]
            row = (name, name in VARIABLE, len(untouched), area, false_alarms, int((alarms == number).sum()))
            results.append(ChromosomeResult(*row))
        return results

    def calls(self) -> dict[str, dict[str, int]]:
        """Return what the found items of each kind are called: counts."""
        found = self.abnormal[self.abnormal["found"]]
        called = found[[f"prob_{name}" for name in CALLS]].to_numpy().argmax(axis=1)
        counts = {}
        for kind in ABNORMAL:
            of_kind = called[(found["kind"] == kind).to_numpy()]
            counts[kind] = dict(zip(CALLS, np.bincount(of_kind, minlength=len(CALLS)).tolist(), strict=True))
        return counts

    def cell_table(self) -> pd.DataFrame:
        """Return a row per normal test cell: its most abnormal pair, the p-value, and whether it raises an alarm."""
        names = self.untouched.drop_duplicates("cell").set_index("cell").loc[self.cells.number]
        scored = self.cells.scored()
        p_values = np.empty(len(scored.score))
        for fold, calibration in enumerate(self.items.calibrations):
            rows = scored.fold == fold
            p_values[rows] = calibration.p_values(scored.score[rows])
        pairs = (~np.isnan(self.cells.scores)).sum(axis=1)
        columns = {
            "subject": names["subject"].to_numpy(),
            "cell": names["cell_name"].to_numpy(),
            "chromosome": np.array(CHROMOSOMES, object)[self.cells.suspect()],
            "calibrated": scored.score,
            "p_value": sidak(p_values, pairs),
            "alarm": self._cell_alarms(),
        }
        return pd.DataFrame(columns).sort_values("calibrated", ascending=False, kind="stable")

    def _pairs(self) -> Iterator[HomologueMetric]:
        abnormal = _of_pairs(self.abnormal)
        for subset in subsets(self.abnormal):
            yield self._auc("pair", subset, abnormal.subset(subset.rows), _of_pairs(self.normal))
            hits = self.abnormal["found"].to_numpy()[subset.rows]
            interval = share(hits, abnormal.cluster[subset.rows], self.settings)
            yield HomologueMetric("pair", "sensitivity", subset.kind, subset.name, "", "", len(hits), interval)
            yield self._auc("pair", subset, abnormal.subset(subset.rows), _of_pairs(self.untouched), UNTOUCHED)

    def _both_sides(self) -> Iterator[HomologueMetric]:
        """The two chromosomes of a translocation together, against the same two chromosomes without it."""
        items = both_sides(self.test)
        translocated = items[items["kind"] == TRANSLOCATION].reset_index(drop=True)
        normal = _of_pairs(items[items["kind"] != TRANSLOCATION])
        scored = _of_pairs(translocated)
        small = (translocated["size"] < SMALL).to_numpy()
        for name, rows in (("all", small | True), (f"size < {SMALL:g}", small), (f"size >= {SMALL:g}", ~small)):
            yield self._auc("pair", Subset(BOTH_SIDES, name, rows), scored.subset(rows), normal)

    def _controls(self) -> Iterator[HomologueMetric]:
        """Normal pairs after surgery against untouched ones, alone and in their cells; 0.5 where it leaves no trace."""
        for kind in (*NORMAL, CONTROL):
            items = self.test[self.test["kind"] == kind].reset_index(drop=True)
            if kind != UNTOUCHED:
                everything = Subset(kind, "all", np.ones(len(items), dtype=bool))
                yield self._auc("pair", everything, _of_pairs(items), _of_pairs(self.untouched), UNTOUCHED)
                in_cells = self.cells.replaced(levels.changed_in(self.cells, levels.with_partners(items)))
                yield self._auc("cell", everything, in_cells, self.cells.scored(), UNTOUCHED)
            interval = share(~items["found"].to_numpy(), items["cluster"].to_numpy(), self.settings)
            yield HomologueMetric("pair", "specificity", kind, "all", "", "", len(items), interval)

    def _cells(self) -> Iterator[HomologueMetric]:
        changed = levels.changed_in(self.cells, levels.with_partners(self.abnormal))
        scored = self.cells.replaced(changed)
        found = scored.score > self.cell_limits[scored.fold]
        for subset in subsets(changed):
            yield self._auc("cell", subset, scored.subset(subset.rows), self.cells.scored())
            interval = share(found[subset.rows], scored.cluster[subset.rows], self.settings)
            yield HomologueMetric(
                "cell", "sensitivity", subset.kind, subset.name, "", "", int(subset.rows.sum()), interval
            )

    def _cases(self) -> Iterator[HomologueMetric]:
        for wanted in CELLS_OF_CASES:
            name = wanted.name
            cells = levels.cells_of_cases(self.cells, wanted.count, wanted.many)
            if not len(cells.fold):
                continue
            cases = levels.cases_of(cells)
            items = levels.in_clone(cells, levels.with_partners(self.abnormal), wanted.changed)
            changed = levels.changed_cases(cases, cells, items)
            scored, of_pairs = cases.replaced(changed), cases.changed_pairs(changed)
            for subset in subsets(changed):
                yield self._auc("case pair", subset, of_pairs.subset(subset.rows), cases.pairs(), cells=name)
                yield self._auc("case", subset, scored.subset(subset.rows), cases.scored(), cells=name)

    def _found(self) -> Iterator[HomologueMetric]:
        """Of the items that are found: is the hottest point on what is changed, and which of the two is changed?"""
        found = self.abnormal[self.abnormal["found"]].reset_index(drop=True)
        right = {
            "localised": found["hit"].to_numpy() > 0,
            "localised by chance": found["chance"].to_numpy(),
            "localised by a fixed place": fixed_place_hits(self._known_places(), found),
            "which": (found["first_changed"].to_numpy() > 0.5) == (found["changed"].to_numpy() == 0),
        }
        cluster = found["cluster"].to_numpy()
        for metric, values in right.items():
            for subset in subsets(found):
                rows = subset.rows
                interval = share(values[rows], cluster[rows], self.settings)
                yield HomologueMetric("pair", metric, subset.kind, subset.name, "", "", int(rows.sum()), interval)

    def _known_places(self) -> pd.DataFrame:
        """Return the rearranged validation items that are found."""
        items = self.items.part(VALIDATION)
        found = items["calibrated"].to_numpy() > self.items.thresholds(SPECIFICITY)[items["fold"]]
        return items[found & items["kind"].isin(ABNORMAL).to_numpy()]

    def _alarms(self) -> Iterator[HomologueMetric]:
        """Normal cells above the threshold of cells, and cases: by their pooled score, and by any of their cells."""
        scored = self.cells.scored()
        alarm = self._cell_alarms()
        interval = share(alarm, scored.cluster, self.settings)
        yield HomologueMetric("cell", "alarmed", "untouched", "all", "", "", len(alarm), interval)
        cases = levels.cases_of(self.cells).scored()
        pooled = cases.score > self.cell_limits[cases.fold]
        any_cell = np.isin(cases.cluster, scored.cluster[alarm])
        for name, raised in (("all", pooled), ("any cell", any_cell)):
            interval = share(raised, cases.cluster, self.settings)
            yield HomologueMetric("case", "alarmed", "untouched", name, "", "", len(raised), interval)

    def _auc(
        self, level: Level, subset: Subset, abnormal: Scored, normal: Scored, against: str = "normal", cells: str = ""
    ) -> HomologueMetric:
        interval = auc(abnormal, normal, self.settings)
        return HomologueMetric(level, "auc", subset.kind, subset.name, against, cells, len(abnormal.score), interval)

    def _cell_alarms(self) -> np.ndarray:
        scored = self.cells.scored()
        return np.asarray(scored.score > self.cell_limits[scored.fold])

    def _cell_limits(self) -> np.ndarray:
        """Return the threshold of cells of each fold: by its validation cells as they are."""
        cells = levels.cells_of(self.items.part(VALIDATION)).scored()
        folds = range(len(self.items.calibrations))
        return np.array([np.quantile(cells.score[cells.fold == each], SPECIFICITY, method="higher") for each in folds])


def subsets(abnormal: pd.DataFrame) -> Iterator[Subset]:
    """Yield all rearranged items and each kind that occurs, of all sizes and of smaller and larger ones.

    ``abnormal`` has the columns ``kind``, ``size`` and ``arm_change``.
    """
    small = (abnormal["size"] < SMALL).to_numpy()
    small_change = (abnormal["arm_change"] < SMALL_ARM_CHANGE).to_numpy()
    of_kinds = {kind: (abnormal["kind"] == kind).to_numpy() for kind in ABNORMAL}
    # The partner of a translocation is part of its cell, and so no kind of its own there.
    present = [kind for kind in ABNORMAL if kind != PARTNER or of_kinds[kind].any()]
    for kind in ("all", *present):
        rows = np.ones(len(abnormal), dtype=bool) if kind == "all" else of_kinds[kind]
        yield Subset(kind, "all", rows)
        yield Subset(kind, f"size < {SMALL:g}", rows & small)
        yield Subset(kind, f"size >= {SMALL:g}", rows & ~small)
        if kind == "pericentric inversion":
            yield Subset(kind, f"arm change < {SMALL_ARM_CHANGE:g}", rows & small_change)
            yield Subset(kind, f"arm change >= {SMALL_ARM_CHANGE:g}", rows & ~small_change)


@dataclass(frozen=True)
class HomologueEvaluation:
    """The result, and a table of the normal test cells, see `HeldOutItems.cell_table`."""

    result: HomologueResult
    normal_cells: pd.DataFrame


def evaluate_homologues(
    runs: Sequence[Predictions], pairs: Sequence[pd.DataFrame], settings: EvaluationConfig
) -> HomologueEvaluation:
    """Evaluate one run, or the folds of one experiment.

    Args:
        runs: Their predictions, which say which items are in which part.
        pairs: What was found and done, in the same order, see `Run.pairs`.
        settings: Of intervals.

    Raises:
        UserError: See `PairItems.of`.
    """
    items = HeldOutItems(PairItems.of(runs, pairs), settings)
    curves = []
    for kind in ABNORMAL:
        curve = detection_curve(kind, items.abnormal[items.abnormal["kind"] == kind], settings)
        if curve:
            curves.append(curve)
    result = HomologueResult(
        about=merge_facts([run.about for run in runs]),
        confidence=settings.confidence,
        cases=int(items.test["cluster"].nunique()),
        cells=len(items.cells.fold),
        items=len(items.test),
        metrics=items.metrics(),
        curves=curves,
        chromosomes=items.chromosomes(),
        calls=items.calls(),
    )
    return HomologueEvaluation(result, items.cell_table())


def evaluate_pairs(
    predictions: Sequence[Predictions], runs: Sequence[Run], settings: EvaluationConfig
) -> HomologueEvaluation | None:
    """Evaluate one run, or the folds of one experiment, where they compare homologues.

    Args:
        predictions: Of each run; items that they lack are left out.
        runs: Their folders.
        settings: Of intervals.

    Returns:
        None where a run has no pairs.
    """
    pairs = [run.pairs for run in runs]
    known = [each for each in pairs if each is not None]
    if not known or len(known) < len(pairs):
        return None
    for number, each in enumerate(predictions, 1):
        if not (each.frame["part"] == VALIDATION).any():
            say(f"homologues are not evaluated: run {number} has no validation pairs, which calibrate the scores")
            return None
    return evaluate_homologues(predictions, known, settings)


def write_homologues(folder: Path, evaluation: HomologueEvaluation) -> None:
    """Write homologues.json, the tables and the figures into a folder."""
    # matplotlib costs seconds that an evaluation without files need not spend.
    from evaluation.homologues import plots

    folder = Path(folder)
    result = evaluation.result
    tables = {
        "homologues": result.metrics_table(),
        "homologues_by_size": result.curves_table(),
        "homologues_by_chromosome": result.chromosomes_table(),
        "homologues_normal_cells": evaluation.normal_cells,
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table, "%.6f")
    plots.detection_curves(folder / "homologues_by_size.png", result)
    plots.levels(folder / "homologues_levels.png", result)
    plots.chromosomes(folder / "homologues_by_chromosome.png", result)
    Run(folder).write_json(RunFile.HOMOLOGUES, result.to_dict())


def _of_pairs(items: pd.DataFrame) -> Scored:
    """Return raw scores, which are compared within a chromosome and a fold."""
    columns = [items[name].to_numpy() for name in ("score", "chromosome", "fold", "cluster")]
    return Scored(*columns)
