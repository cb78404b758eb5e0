"""What a reader has to do with a cell, and why, in plain words."""

import numpy as np
from cytogenetics.cells.cell_karyotype import ChromosomeCall
from cytogenetics.images.cell_images import CellFile, FileStatus
from cytogenetics.karyotyping.cell_result import CellResult

from karyocyte.common.text import counted

NOTHING = "nothing to do"
PICTURE = "look at the picture"
BOXES = "check the boxes"
OVERLAP = 0.05  # of the smaller of two chromosomes


def task_of(result: CellResult) -> str:
    """Return what a reader has to do, in the order of work: nothing, chromosomes, boxes, the whole picture."""
    if not result.reasons:
        return NOTHING
    if result.failed or not result.karyotype.candidates:
        return PICTURE
    if 2 * result.karyotype.boxes_wrong > result.karyotype.expected_wrong:
        return BOXES
    return f"look at {counted(max(1, result.karyotype.doubtful), 'chromosome')}"


def reason_of(result: CellResult) -> str:
    """Return the reason of the task in a plain sentence; "" without one."""
    task = task_of(result)
    if task in (NOTHING, PICTURE):
        return "".join(result.reasons[:1])
    if result.copies:
        return f"{result.copies[0]}."
    if task == BOXES:
        wrong = max(1, round(result.karyotype.boxes_wrong))
        count = len(result.karyotype.calls)
        return f"About {wrong} of {count} boxes may be wrong: a box without a chromosome, or a chromosome without one."
    return _reason_of_chromosome(result)


def _reason_of_chromosome(result: CellResult) -> str:
    """Say which chromosome fits its class least, by its number in the picture or its file."""
    file, call = _least_alone(result)
    name = _name_in(result, file.file.name)
    if call.alone != call.assigned:
        return f"Chromosome {name} is called {call.assigned} to complete the cell, but looks like {call.alone}."
    if call.doubtful:
        return f"Chromosome {name} is called {call.assigned}, and may be {call.runner_up}."
    return f"{result.reasons[0][:1].upper()}{result.reasons[0][1:]}."


def doubts_of_size(result: CellResult) -> list[str]:
    """Say which homologues differ in size: one may be a part, or two chromosomes. That is a doubt, and no verdict."""
    assigned = {file.file.name: call.assigned for file, call in result.calls if call is not None}
    said = []
    for larger, smaller in result.unequal:
        names = f"{_name_in(result, larger)} and {_name_in(result, smaller)}"
        said.append(f"{names} are both called {assigned[larger]}, but one is more than twice as large.")
    return said


def _name_in(result: CellResult, name: str) -> str:
    """Return the number of a file in the picture of its metaphase; of a single chromosome its name."""
    return name if result.metaphase is None else f"no. {result.metaphase.found[name].number}"


def boxes_of(result: CellResult) -> str:
    """Count the boxes of a metaphase in words; "" of single chromosomes."""
    metaphase = result.metaphase
    if metaphase is None or metaphase.boxes is None:
        return ""
    is_used = np.array([file.status is FileStatus.USED for file in result.files])
    used = metaphase.boxes.of(np.flatnonzero(is_used))
    shared = np.triu(used.regions.T @ (used.regions * used.pixels[:, None]), 1)
    overlapping = shared > OVERLAP * np.minimum(used.areas[:, None], used.areas)
    counts = f"{counted(int(is_used.sum()), 'chromosome')} in {len(is_used)} boxes, {(~is_used).sum()} left out"
    return f"{counts}; pairs that overlap: {overlapping.sum()}"


def _least_alone(result: CellResult) -> tuple[CellFile, ChromosomeCall]:
    """Return the used file whose image fits its class least."""
    used = [(file, call) for file, call in result.calls if call is not None and not call.fixed]
    return min(used or [(file, call) for file, call in result.calls if call], key=lambda one: one[1].assigned_alone)
