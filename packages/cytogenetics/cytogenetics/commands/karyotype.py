"""Name the karyotypes of new cells from pictures of metaphases or single chromosomes, by the built-in model or runs."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_word

Words = Annotated[
    list[str],
    Argument(
        parser=run_word,
        metavar="[RUN...] CELLS [KEY=VALUE...]",
        help="Runs or a portable model (else models/chromosomes), a picture, folder, zip or table (.csv); any keys.",
    ),
]
Output = Annotated[
    Path | None,
    Option(help="New folder for tables, karyograms and index.html; else below outputs/karyotypes, named like CELLS."),
]


def karyotype(words: Words, output: Output = None) -> None:
    """Name the karyotypes of new cells from pictures of metaphases or single chromosomes, without labels.

    CELLS are pictures of whole metaphases, which are cut into chromosomes; or of single chromosomes: each sub-folder
    is a cell, and the folders above it are its case; images directly in CELLS are one cell.
    Several runs are an ensemble. The output folder holds
    karyotypes.csv (a row per cell), chromosomes.csv (a row per file), cases.csv where cases are known, a
    karyogram per cell, and all of it on one page, index.html. Correct them with scripts/review.py.
    """
    from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest

    request = KaryotypeRequest.read(words, output=output)
    from cytogenetics.karyotyping.karyotype_cells import karyotype_cells  # torch takes seconds: after the check

    karyotype_cells(request)


app = program(
    karyotype,
    "python scripts/karyotype.py cells --output out",
    "python scripts/karyotype.py latest cells loss=0.01 --output new",
)
