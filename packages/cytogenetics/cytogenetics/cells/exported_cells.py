"""What an export of a model of the 24 chromosomes knows of whole cells: found on the validation cells of its runs."""

from typing import Any

from pydantic import TypeAdapter

from cytogenetics.cells.cell_settings import KaryotypeConfig
from cytogenetics.cells.cell_thresholds import choose_on_validation
from cytogenetics.cells.temperatures import fit_temperatures
from cytogenetics.trained.pictures import CellFacts
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.inference.models import RunsModel
from karyocyte.recipes.exports import AddedFacts


def describe_cells(model: RunsModel) -> Any:
    """Return what karyotypes are named with; None where the classes are not those of chromosomes."""
    if set(model.facts.classes) != set(CHROMOSOMES):
        return None
    facts = CellFacts(**vars(fit_temperatures(model)), thresholds=choose_on_validation(model, KaryotypeConfig()))
    return TypeAdapter(CellFacts).dump_python(facts, mode="json")


def limits_of_cells(model: RunsModel, said: Any) -> list[str]:
    """Return lines of the model card: what limits the karyotypes."""
    lines = list(said["notes"])
    if not all(member.prediction.head.orientation for member in model.members):
        lines.append("Chromosomes must be upright, short arm on top.")
    return lines


CELLS = AddedFacts(
    describe_cells,
    limits_of_cells,
    ("name karyotypes with it", "python scripts/karyotype.py {model} <folder of cells> --output new"),
)
