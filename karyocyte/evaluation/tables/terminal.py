"""Results of an evaluation for the terminal: all tables, what fits a screen, or a line."""

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from karyocyte.common.installed import entries
from karyocyte.evaluation.tables.renderers import terminal, warning_lines
from karyocyte.evaluation.tables.tables import confidence_tables, metrics_table, result_tables
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import heading
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.table import Table

# Topics of the warnings of an overview, the most important first, before those of packages; others are counted.
IMPORTANCE = ("leak", "training", "another set", "data", "test", "")
MOST_WARNINGS = 2


def headline(result: EvaluationResult) -> str:
    """Return accuracies with their intervals in a line."""
    texts = [f"accuracy {result.metrics['accuracy']}"]
    texts += [f"{name.short} {figure}" for name, figure in shown(result).figures.items() if name.short]
    return f"{heading(result.about)}: {', '.join(texts)}"


def overview(result: EvaluationResult) -> Group:
    """Draw what fits a screen: the test metrics but for single classes, what packages add, the first warnings."""
    topics = (*IMPORTANCE, *entries("results"))
    warnings = result.warnings_except("validation")
    important = [warning for warning in warnings if warning.topic in topics]
    lines = list(map(str, sorted(important, key=lambda warning: topics.index(warning.topic))[:MOST_WARNINGS]))
    if others := len(warnings) - len(lines):
        lines.append(f"{others} more warnings: in the report")
    return _drawn(result, [metrics_table(result, of_classes=False), *shown(result).tables], lines)


def whole(result: EvaluationResult) -> Group:
    """Draw all tables and warnings, but for the warnings of the validation part, which are in metrics.json only."""
    tables = [*result_tables(result, short=True), *confidence_tables(result)]
    return _drawn(result, tables, result.warnings_except("validation"))


def _drawn(result: EvaluationResult, tables: Sequence[Table | None], warnings: Sequence[object]) -> Group:
    heads = Text(heading(result.about), style="bold")
    return Group(heads, *map(terminal, filter(None, tables)), *warning_lines(warnings))
