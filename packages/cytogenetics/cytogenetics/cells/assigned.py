"""The results of cells in an evaluation, and how they are shown."""

from karyocyte.evaluation.types.added import Shown
from karyocyte.evaluation.types.result import EvaluationResult, Kind
from karyocyte.evaluation.types.table import Named, Row, Table
from karyocyte.runs.predictions import VALIDATION

# Sections of the figures; those of cells are counts.
CELLS = "cells"
ASSIGNED = f"{Kind.ADDED}assignment"
REFERRED = f"{Kind.ADDED}cell_referral"
JOINTLY = Named("joint assignment", "joint assignment of the chromosomes of a cell")
CELL_METRICS = {
    "accuracy": "chromosomes predicted right",
    "cells_right": "cells without an error",
    "abnormal_recovered": "abnormal counts found exactly",
    "normal_alarmed": "normal cells that come out abnormal",
}


def cells_table(result: EvaluationResult) -> Table:
    """Return predictions one by one and by the joint assignment, and what the counts of the cells say."""
    cells = {name: round(count.value or 0) for name, count in result.of(CELLS).items()}
    metrics = result.metrics | result.of(ASSIGNED)
    rows: list[Row] = []
    for name, words in CELL_METRICS.items():
        of_name = (metrics[name], metrics[f"{name}_assigned"])
        rows.append({"": Named(name, words), "one by one": of_name[0], "joint assignment": of_name[1]})
    lines = [
        f"counts of {cells['abnormal']} cells that are not 46,XX or 46,XY: exact in {cells['recovered']} "
        f"(one by one in {cells['recovered_before']}); of {cells['normal']:,} that are, {cells['alarmed']} "
        f"(one by one {cells['alarmed_before']:,}) come out abnormal",
        "each cell has its most probable karyotype by the priors of packages/cytogenetics/conf/karyotype.yaml",
    ]
    if shares := result.of(REFERRED):
        referred, right = shares.values()
        lines.append(
            f"referred to an expert above thresholds of validation cells, but for that of distance: {referred} of the "
            f"cells; of the others {right} have no wrong chromosome"
        )
    if result.about.get("on") == VALIDATION:
        lines.append("the temperature of their probabilities is fitted on these same cells, which flatters a little")
    reading = "Joint assignment: the chromosomes of a cell are sorted together, knowing that a cell has two of each."
    title = f"Whole cells ({cells['cells']:,})"
    return Table.of(title, rows, reading, notes=tuple(lines), confidence=result.confidence)


def show_assignment(result: EvaluationResult, shown: Shown) -> None:
    """Add the cells to what is shown of a result."""
    shown.tables.append(cells_table(result))
    shown.figures["chromosomes named jointly are right"] = result.of(ASSIGNED)["accuracy_assigned"]
    shown.figures["cells are without an error"] = result.of(ASSIGNED)["cells_right_assigned"]
    shown.confusions[JOINTLY] = result.confusions[ASSIGNED]
