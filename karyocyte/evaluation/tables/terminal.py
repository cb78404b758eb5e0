"""Results of an evaluation for the terminal: all tables, what fits a screen, or a line."""

from rich.console import Group
from rich.text import Text

from karyocyte.common.installed import entries
from karyocyte.common.text import counted
from karyocyte.evaluation.tables.renderers import terminal, warning_lines
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.tables.tables import confidence_tables, metric_name, numbers, result_tables
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import heading
from karyocyte.evaluation.types.result import EvaluationResult

# Topics of the warnings of an overview, the most important first, before those of packages; others are counted.
IMPORTANCE = ("leak", "training", "another set", "data", "test", "")
MOST_WARNINGS = 2
# The figures that matter beside the one of the sentence.
OF_TWO = ("accuracy", "sensitivity", "specificity")
OF_MORE = ("balanced_accuracy", "f1_macro", "auc")


def headline(result: EvaluationResult) -> str:
    """Return accuracies with their intervals in a line."""
    texts = [f"accuracy {result.metrics['accuracy']}"]
    texts += [f"{name.short} {figure}" for name, figure in shown(result).figures.items() if name.short]
    return f"{heading(result.about)}: {', '.join(texts)}"


def overview(result: EvaluationResult) -> Group:
    """Draw the end of a training: tables of packages, the first warnings, then a sentence and the main figures."""
    topics = (*IMPORTANCE, *entries("results"))
    warnings = result.warnings_except("validation")
    important = [warning for warning in warnings if warning.topic in topics]
    lines = list(map(str, sorted(important, key=lambda warning: topics.index(warning.topic))[:MOST_WARNINGS]))
    if others := len(warnings) - len(lines):
        lines.append(f"{counted(others, 'more warning')}: in the report")
    names, cut = (OF_TWO, " at 0.5") if result.positive_class else (OF_MORE, "")
    figures = {metric_name(name, result).words + cut: result.metrics[name] for name in names}
    width = max(map(len, figures))
    rows = "\n".join(f"  {name:{width}}  {figure}" for name, figure in figures.items())
    about, said = (Text(text, style="bold") for text in (heading(result.about), sentence(result)))
    tables = map(terminal, shown(result).tables)
    return Group(about, Text(numbers(result)), *tables, *warning_lines(lines), said, Text(rows))


def whole(result: EvaluationResult) -> Group:
    """Draw all tables and warnings, but for the warnings of the validation part, which are in metrics.json only."""
    tables = [*result_tables(result, short=True), *confidence_tables(result)]
    heads = Text(heading(result.about), style="bold")
    return Group(heads, *map(terminal, tables), *warning_lines(result.warnings_except("validation")))
