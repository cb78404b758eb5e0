"""The results of comparisons of homologues for the terminal."""

from rich.console import Group
from rich.text import Text

from common.text import counted
from evaluation.homologues.result import HomologueResult
from evaluation.homologues.tables import controls, pairs_table, units_table
from evaluation.terminal import frame_table

MOST = 5  # chromosomes that are named


def homologues_table(result: HomologueResult) -> Group:
    """Draw the AUC of pairs by size, of cells and cases, false alarms and localisation."""
    facts = f"{counted(result.cells, 'test cell')} of {counted(result.cases, 'case')}"
    return Group(
        Text(f"Homologues: abnormal or normal, {facts}", style="bold"),
        frame_table(pairs_table(result), "Pairs: mean AUC within chromosome, and size at 80 % sensitivity"),
        frame_table(units_table(result), "Cells and cases: AUC, all sizes"),
        *map(Text, _lines(result)),
    )


def _lines(result: HomologueResult) -> list[str]:
    alarms = sorted(result.chromosomes, key=lambda each: each.cell_alarms, reverse=True)
    most = ", ".join(f"{each.chromosome} ({each.cell_alarms})" for each in alarms[:MOST] if each.cell_alarms)
    lines = [f"{name}: {interval}" for name, interval in controls(result).items()]
    return [*lines, f"chromosomes of most alarms (cells): {most or 'none'}"]
