"""Search a data set for pictures of the same cell, under one subject or several."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program

Overrides = Annotated[
    list[str],
    Argument(metavar="KEY=VALUE...", help="As train.py takes them: data=cnmc data_dir=..., +experiment=<name>."),
]
Output = Annotated[
    Path, Option(help="A new folder for the pairs, pictures of them, and how often the search is wrong.")
]


def same_cells(overrides: Overrides, output: Output) -> None:
    """Search all pictures of a data set for cells that another picture shows, too, and say which subjects are persons.

    A cell may have been photographed again, in another focus, or cut out anew. Its pictures agree in no byte, but when
    they are laid onto one another. The table same_cells.csv in the folder is for the key same_cells of a training: it
    makes subjects with such pairs one person. 7,650 pictures take about 30 minutes of a processor core.
    """
    # Imported here: the help page needs none of it.
    from karyocyte.composition.grid import job_configs
    from karyocyte.workflows.same_cells import write_same_cells

    write_same_cells(job_configs(overrides, needs_data=True, primary="train"), output)


app = program(
    same_cells,
    "python scripts/same_cells.py data=cnmc data_dir=cells --output found",
    "python train.py +experiment=resnet50_cut_block5 data_dir=cells same_cells=found/same_cells.csv",
)
