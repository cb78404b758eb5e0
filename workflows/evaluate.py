"""What scripts/evaluate.py does once its options are read: judge one experiment, or several beside one another."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.console import Console

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions
from common.runs.run import refuse_what_is_there
from evaluation.comparison.paired import compare, paired
from evaluation.comparison.pairwise import compare_groups
from evaluation.comparison.terminal import groups_frame, matrix_tables, pairs_frame
from evaluation.cytogenetics.cell_metrics import assignment_refusal
from evaluation.evaluate import judge_runs, write_files
from evaluation.intervals.grouping import Group, group_runs
from evaluation.intervals.pooling import pool
from evaluation.results_csv import append_rows, read_rows, rows_of, rows_of_comparison, rows_of_matrix
from evaluation.terminal import difference_table, table


@dataclass(frozen=True)
class EvaluationOptions:
    """What is asked of a judgement.

    Attributes:
        settings: How it is made; ``assignment`` comes from the next three.
        assign: Whether cells are placed jointly; None: where the runs have whole cells.
        costs: Where the costs of the assignment come from: "fixed" or "validation".
        said: Costs that are said; None where one is not.
        csv: Table to add rows to.
        label: Of the rows.
        output: Folder to write files into.
    """

    settings: EvaluationConfig
    assign: bool | None = None
    costs: str = "fixed"
    said: dict[str, float | None] = field(default_factory=dict)
    csv: Path | None = None
    label: str = ""
    output: Path | None = None

    def of(self, runs: Sequence[Predictions]) -> EvaluationConfig:
        """Return the settings for these runs: where nothing is said of the assignment, they decide.

        Raises:
            UserError: Costs are said beside --no-assign.
        """
        known = {name: cost for name, cost in self.said.items() if cost is not None}
        says_how = bool(known) or self.costs != "fixed"
        if says_how and self.assign is False:
            raise UserError("--no-assign beside the costs of an assignment: leave out the one or the other")
        # Who says how cells are placed wants them placed, and is told where they cannot be.
        if says_how:
            asked = True
        else:
            asked = self.assign
        if asked is not None:
            enabled = asked
        else:
            enabled = assignment_refusal(list(runs)) is None
        assignment = AssignmentConfig(enabled=enabled, costs=self.costs, **known)
        return self.settings.model_copy(update={"assignment": assignment})


def report(runs: list[Predictions], names: list[str], against: list[Predictions], asked: EvaluationOptions) -> None:
    """Judge runs, print what is found and write what is asked for.

    Args:
        runs: Folds of one experiment, or runs of several.
        names: What messages call them, one each.
        against: Folds of another experiment whose figures are subtracted; none: no difference.
        asked: How, and where to.

    Raises:
        UserError: ``output`` holds files already, or ``csv`` is no table of results; ``against`` is of other images, or
            stands beside several experiments; or see ``judge_runs``.
    """
    if asked.output:
        refuse_what_is_there(asked.output)
    if asked.csv:
        read_rows(asked.csv)
    groups = group_runs(runs, names)
    if len(groups) == 1:
        _judge_one(groups[0], against, asked, Console())
    elif against:
        told = ", ".join(group.label for group in groups)
        raise UserError(f"--against subtracts from one experiment, these are {len(groups)} ({told}): name one of them")
    else:
        _judge_many(groups, asked, Console())


def _judge_one(group: Group, against: list[Predictions], asked: EvaluationOptions, console: Console) -> None:
    runs = list(group.runs)
    settings = asked.of(group.runs)
    if against:
        paired(pool(runs), pool(against))  # what cannot be compared is said before the judgement, which takes a while
    judgement = judge_runs(runs, settings)
    console.print(table(judgement))
    rows = rows_of(judgement, asked.label)
    if against:
        comparison = compare(runs, against, settings)
        console.print(difference_table(comparison))
        rows += rows_of_comparison(comparison, asked.label)
    if asked.csv:
        append_rows(asked.csv, rows)
    if asked.output:
        write_files(asked.output, judgement, runs, settings)


def _judge_many(groups: list[Group], asked: EvaluationOptions, console: Console) -> None:
    """Judge each group as if it were alone, then all pairs of them on the same images."""
    settings = [asked.of(group.runs) for group in groups]
    judged = [judge_runs(list(group.runs), one) for group, one in zip(groups, settings, strict=True)]
    matrix = compare_groups(groups, asked.settings)
    labels = [group.label for group in groups]
    console.print(matrix_tables(labels, judged, matrix))
    if asked.csv:
        own = [f"{asked.label}: {label}" if asked.label else label for label in labels]
        rows = [row for one, label in zip(judged, own, strict=True) for row in rows_of(one, label)]
        append_rows(asked.csv, rows + rows_of_matrix(matrix, asked.label))
    if asked.output:
        for folder, group, judgement, one in zip(folders(labels), groups, judged, settings, strict=True):
            write_files(asked.output / folder, judgement, list(group.runs), one)
        _write(asked.output / "groups.csv", groups_frame(labels, judged))
        _write(asked.output / "pairs.csv", pairs_frame(matrix))


def folders(labels: Sequence[str]) -> list[str]:
    """Return a folder's name for each label: letters, digits and ``.=-``, and no two the same."""
    names: list[str] = []
    for label in labels:
        plain = re.sub(r"[^\w.=-]+", "_", label).strip("._") or "group"
        tries = (plain, *(f"{plain}_{number}" for number in range(2, len(labels) + 2)))
        names.append(next(name for name in tries if name not in names))
    return names


def _write(path: Path, rows: pd.DataFrame) -> None:
    write_csv(path, rows, "%.6f")
