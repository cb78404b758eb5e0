"""Review karyotypes or predictions on a local page: ``python scripts/review.py OUTPUT``."""

import getpass
from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.common.errors import UserError

Output = Annotated[
    Path,
    Argument(metavar="OUTPUT", help="Output folder of scripts/karyotype.py, or table of scripts/predict.py."),
]
ReaderNames = Annotated[
    list[str] | None, Option(help="Who reviews; several at once: name each.", show_default="the user's name")
]
Port = Annotated[int, Option(min=0, max=65535, help="Of the page; 0: a free one.")]
DecisionFile = Annotated[Path | None, Option(help="File of decisions.", show_default="in or beside OUTPUT")]
ExportLabels = Annotated[Path | None, Option(help="Write the approved classes as a new table (.csv), and end.")]
ExportBoxes = Annotated[Path | None, Option(help="Write the approved boxes as a new folder (Pascal VOC), and end.")]


def review(
    output: Output,
    reader: ReaderNames = None,
    port: Port = 0,
    decisions: DecisionFile = None,
    export_labels: ExportLabels = None,
    export_boxes: ExportBoxes = None,
) -> None:
    """Review karyotypes of cells, or predictions of images, on a page of this machine, without model and network.

    Every decision is kept at once in decisions.jsonl; the same command goes on where the reader stopped. Approved
    cells are in OUTPUT/approved: a table, karyograms, and a page to print.
    """
    if not output.exists():
        raise UserError(f"{output} does not exist: name an output folder of karyotype.py, or a table of predict.py")
    from cytogenetics.review import review as work

    reviewed = work.open_review(output)
    path = decisions or reviewed.decisions_file
    if export_labels is not None:
        work.export_labels(reviewed, path, export_labels)
    elif export_boxes is not None:
        work.export_boxes(reviewed, path, export_boxes)
    else:
        work.serve(reviewed, path, list(dict.fromkeys(reader or [getpass.getuser()])), port)


app = program(
    review,
    "python scripts/review.py out --reader reader1",
    "python scripts/review.py out --export-labels approved.csv",
)
