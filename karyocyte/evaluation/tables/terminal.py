"""Results of an evaluation for the terminal: all tables, what fits a screen, or a line."""

from rich.console import Group
from rich.text import Text

from karyocyte.common.text import counted
from karyocyte.evaluation.tables.renderers import terminal, warning_lines
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.tables.tables import confidence_tables, metric_name, numbers, result_tables
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import heading
from karyocyte.evaluation.types.result import EvaluationResult

MOST_WARNINGS = 2  # of an overview; others are counted
# The figures that matter beside the one of the sentence.
OF_TWO = ("accuracy", "sensitivity", "specificity")
OF_MORE = ("balanced_accuracy", "f1_macro", "auc")


def overview(result: EvaluationResult) -> Group:
    """Draw the end of a training: tables of packages, the first warnings, then a sentence and the main figures."""
    lines = list(map(str, result.warnings_except("validation")))  # the most important ones first
    if others := len(lines[MOST_WARNINGS:]):
        lines[MOST_WARNINGS:] = [f"{counted(others, 'more warning')}: in the report"]
    names, cut = (OF_TWO, " at 0.5") if result.positive_class else (OF_MORE, "")
    figures = {metric_name(name, result).words + cut: result.metrics[name] for name in names}
    width = max(map(len, figures))
    rows = "\n".join(f"  {name:{width}}  {figure}" for name, figure in figures.items())
    about, said = (Text(text, style="bold") for text in (heading(result.about), sentence(result)))
    tables = map(terminal, shown(result).tables)
    return Group(about, Text(numbers(result)), *tables, *warning_lines(lines), said, Text(rows))


def whole(result: EvaluationResult) -> Group:
    """Draw the sentence, all tables and warnings, but for those of the validation part, which metrics.json has."""
    tables = map(terminal, [*result_tables(result, short=True), *confidence_tables(result)])
    said = Text(f"{heading(result.about)}: {sentence(result)}", style="bold")
    return Group(said, *tables, *warning_lines(result.warnings_except("validation")))
