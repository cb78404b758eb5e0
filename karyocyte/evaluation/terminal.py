"""Results of an evaluation for the terminal: all tables, what fits a screen, or a line."""

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from karyocyte.evaluation.core.formats import heading
from karyocyte.evaluation.renderers import terminal, warning_lines
from karyocyte.evaluation.result import EvaluationResult
from karyocyte.evaluation.tables import Table, cells_table, confidence_tables, metrics_table, parts_table, result_tables

DETAILS = ("calibration", "triage", "subgroups")  # topics of warnings that an overview counts


def headline(result: EvaluationResult) -> str:
    """Return accuracies with their intervals in a line."""
    texts = [f"accuracy {result.test.metrics['accuracy']}"]
    if result.assignment:
        texts.append(f"jointly {result.assignment.metrics['accuracy_assigned']}")
    return f"{heading(result.about)}: {', '.join(texts)}"


def overview(result: EvaluationResult) -> Group:
    """Draw what fits a screen: the test metrics but for single classes, joint assignment, warnings about them."""
    warnings = result.warnings_except("validation")
    shown: list[object] = [warning for warning in warnings if warning.topic not in DETAILS]
    if len(shown) < len(warnings):
        shown.append(f"{len(warnings) - len(shown)} more on {', '.join(DETAILS)}: scripts/evaluate.py")
    return _drawn(result, [metrics_table(result, of_classes=False), cells_table(result)], shown)


def whole(result: EvaluationResult) -> Group:
    """Draw all tables and warnings, but for the warnings of the validation part, which are in metrics.json only."""
    metrics, *others = result_tables(result, short=True)
    tables = [metrics, parts_table(result), *others, *confidence_tables(result)]
    return _drawn(result, tables, result.warnings_except("validation"))


def _drawn(result: EvaluationResult, tables: Sequence[Table | None], warnings: Sequence[object]) -> Group:
    heads = Text(heading(result.about), style="bold")
    return Group(heads, *map(terminal, filter(None, tables)), *warning_lines(warnings))
