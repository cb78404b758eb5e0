"""Measure the karyotypes of labelled cells: ``python scripts/measure_karyotypes.py OUTPUT LABELS``."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.common.errors import UserError

Output = Annotated[Path, Argument(metavar="OUTPUT", help="Output folder of scripts/karyotype.py.")]
Labels = Annotated[
    Path,
    Argument(metavar="LABELS", help="Its pictures with boxes (data=metaphases), or chromosomes (data=chromosomes)."),
]
Keys = Annotated[
    list[str] | None, Argument(metavar="[KEY=VALUE...]", help="Of LABELS: data.subject_regex, data.file=null, ...")
]
Rows = Annotated[Path | None, Option(help="Write a row per cell into this table (.parquet).")]
Part = Annotated[str, Option(help="What the cells are called there.")]


def measure_karyotypes(
    output: Output, labels: Labels, keys: Keys = None, rows: Rows = None, part: Part = "measured"
) -> None:
    """Measure the karyotypes of cells whose chromosomes are labelled, with 95 % intervals by case.

    Pictures are known by their names, files of single chromosomes by their content. Boxes are matched one to one, at
    an intersection over union of 0.5 and more, so that the sum of their overlaps is largest. The case is that of the
    labels (data.subject_regex), else that of the output; without one each cell counts as a case.
    """
    if not (output / "karyotypes.csv").is_file():  # before the imports, which take seconds
        raise UserError(f"{output} has no karyotypes.csv: name an output folder of scripts/karyotype.py")
    from cytogenetics.evidence.karyotypes import metrics_by_case
    from cytogenetics.evidence.measure import measure_output
    from karyocyte.common.cli import console
    from karyocyte.common.files import atomic_path
    from karyocyte.common.revision import revision
    from karyocyte.evaluation.tables.renderers import terminal
    from karyocyte.evaluation.types.result import Estimate
    from karyocyte.evaluation.types.table import Table

    cells = measure_output(output, labels, keys or ()).assign(part=part, revision=revision())
    table = metrics_by_case(cells).dropna(subset="value")
    shown = [{"metric": name, "value": Estimate(*found)} for name, *found in table.itertuples(index=False)]
    console.print(terminal(Table.of(f"cells: {len(cells)}, cases: {cells['case'].nunique()}", shown)))
    if rows is not None:
        with atomic_path(rows) as temporary:
            cells.to_parquet(temporary, index=False, compression="zstd")


app = program(
    measure_karyotypes,
    "python scripts/measure_karyotypes.py out boxes data.subject_regex=null",
    "python scripts/measure_karyotypes.py out cells --rows measured.parquet",
)
