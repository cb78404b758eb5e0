"""What a portable model knows of whole cells: the key ``cells`` of its model.json."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from cytogenetics.karyotypes.thresholds import CellThresholds
from karyocyte.runs.portable import ClassifierDescription

NAME = "cells"


@dataclass(frozen=True)
class CellFacts:
    """What the karyotypes of cells are named with, beside the probabilities of chromosomes."""

    # of each member, which its log-probabilities are divided by before they are combined
    temperatures: tuple[float, ...]
    combined: float  # the temperature of what they are combined to
    balanced: bool  # whether the members have learned equal shares of the classes
    notes: tuple[str, ...]  # what limits the temperatures
    thresholds: CellThresholds  # above what a cell is referred


def cell_facts(model: ClassifierDescription) -> CellFacts | None:
    """Return what a portable model knows of cells; None where it does not name the 24 chromosomes."""
    return TypeAdapter(CellFacts).validate_python(model.more[NAME]) if NAME in model.more else None
