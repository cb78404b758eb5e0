"""Evaluation of finished runs: one experiment, or several and all pairs of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from common.arguments import new_folder
from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions
from evaluation.comparison.paired import compare, paired
from evaluation.comparison.pairwise import compare_groups
from evaluation.comparison.terminal import groups_frame, matrix_tables, pairs_frame
from evaluation.cytogenetics.cell_metrics import assignment_refusal
from evaluation.evaluate import evaluate_labelled, write_files
from evaluation.intervals.grouping import Group, group_runs
from evaluation.intervals.pooling import pool
from evaluation.labelled_runs import LabelledRuns
from evaluation.results_csv import append_rows, read_rows, rows_of, rows_of_comparison, rows_of_matrix
from evaluation.terminal import difference_table, table


@dataclass(frozen=True)
class EvaluationOptions:
    """How runs are evaluated, and where results are written.

    Attributes:
        settings: Of the evaluation; ``assignment`` comes from the next three.
        assign: Whether cells have a joint assignment; None: where the runs have whole cells.
        costs: Where the costs of the assignment come from: "fixed" or "validation".
        fixed_costs: ``extra_cost`` and ``missing_cost`` in nats; None for the default.
        csv: Table to add rows to.
        label: Of the rows.
        output: Folder to write files into.
    """

    settings: EvaluationConfig
    assign: bool | None = None
    costs: str = "fixed"
    fixed_costs: dict[str, float | None] = field(default_factory=dict)
    csv: Path | None = None
    label: str = ""
    output: Path | None = None

    def of(self, runs: Sequence[Predictions]) -> EvaluationConfig:
        """Return the settings for these runs, which decide on the joint assignment where no option does.

        Raises:
            UserError: Costs beside --no-assign.
        """
        fixed = {name: cost for name, cost in self.fixed_costs.items() if cost is not None}
        enabled = self.assign
        if fixed or self.costs != "fixed":
            if enabled is False:
                raise UserError("--no-assign beside the costs of an assignment: leave out the one or the other")
            enabled = True  # and a warning says so where it is not possible
        if enabled is None:
            enabled = assignment_refusal(list(runs)) is None
        assignment = AssignmentConfig(enabled=enabled, costs=self.costs, **fixed)
        return self.settings.model_copy(update={"assignment": assignment})


def report(runs: list[Predictions], names: list[str], against: list[Predictions], options: EvaluationOptions) -> None:
    """Evaluate runs, print the results and write the files.

    Args:
        runs: Folds of one experiment, or runs of several.
        names: Their names in messages.
        against: Folds of another experiment whose metrics are subtracted; none: no difference.
        options: How, and where to.

    Raises:
        UserError: ``output`` holds files already, or ``csv`` is no table of results; ``against`` is of other images, or
            beside several experiments; or see ``evaluate_runs``.
    """
    if options.output:
        new_folder(options.output)
    if options.csv:
        read_rows(options.csv)
    groups = group_runs(runs, names)
    if len(groups) == 1:
        _evaluate_one(groups[0], against, options, Console())
    elif against:
        labels = ", ".join(group.label for group in groups)
        raise UserError(
            f"--against subtracts from one experiment, these are {len(groups)} ({labels}): name one of them"
        )
    else:
        _evaluate_many(groups, options, Console())


def _evaluate_one(group: Group, against: list[Predictions], options: EvaluationOptions, console: Console) -> None:
    settings = options.of(group.runs)
    if against:
        paired(pool(list(group.runs)), pool(against))  # refuses other images before the evaluation, which takes a while
    runs = LabelledRuns.of(group.runs, settings)
    result = evaluate_labelled(runs)
    console.print(table(result))
    rows = rows_of(result, options.label)
    if against:
        comparison = compare(list(group.runs), against, settings)
        console.print(difference_table(comparison))
        rows += rows_of_comparison(comparison, options.label)
    if options.csv:
        append_rows(options.csv, rows)
    if options.output:
        write_files(options.output, result, runs)


def _evaluate_many(groups: list[Group], options: EvaluationOptions, console: Console) -> None:
    """Evaluate each group as if it were alone, then all pairs of them on the same images."""
    runs = [LabelledRuns.of(group.runs, options.of(group.runs)) for group in groups]
    results = [evaluate_labelled(labelled) for labelled in runs]
    matrix = compare_groups(groups, options.settings)
    labels = [group.label for group in groups]
    console.print(matrix_tables(labels, results, matrix))
    if options.csv:
        rows = []
        for label, result in zip(labels, results, strict=True):
            rows += rows_of(result, f"{options.label}: {label}" if options.label else label)
        append_rows(options.csv, rows + rows_of_matrix(matrix, options.label))
    if options.output:
        for folder, result, labelled in zip(folders(labels), results, runs, strict=True):
            write_files(options.output / folder, result, labelled)
        write_csv(options.output / "groups.csv", groups_frame(labels, results), "%.6f")
        write_csv(options.output / "pairs.csv", pairs_frame(matrix), "%.6f")


def folders(labels: Sequence[str]) -> list[str]:
    """Return a folder's name for each label: letters, digits and ``.=-``, and no two the same."""
    names: list[str] = []
    for label in labels:
        plain = re.sub(r"[^\w.=-]+", "_", label).strip("._") or "group"
        name = plain
        number = 2
        while name in names:
            name = f"{plain}_{number}"
            number += 1
        names.append(name)
    return names
