"""Make the tables and figures that papers 002 and 004 print beside the metrics of their networks."""

from pathlib import Path
from typing import Annotated, Literal

from karyocyte.commands.shared.program import Argument, Option, program

What = Literal["layers", "missed", "checkpoints", "smoothness"]
Words = Annotated[list[str], Argument(metavar="RUN...", help="Finished runs; of layers also experiments.")]
Csv = Annotated[Path | None, Option(help="Table to write; checkpoints also draws a PNG beside it.")]


def figures(what: What, words: Words, csv: Csv = None) -> None:
    """Make the tables and figures that papers 002 and 004 print beside the metrics of their networks.

    [bold]layers[/bold]: output shape and parameters of each layer, as Keras prints them (004, figures 4 to 30).

    [bold]missed[/bold]: how many test images exactly k of some networks miss (004, figure 33).

    [bold]checkpoints[/bold]: accuracy of the saved checkpoints of check and adjust (002, figure 3).

    [bold]smoothness[/bold]: how smooth the outputs of layers are, beside the test accuracy (002, abstract).
    """
    from karyocyte.common.cli import console, say
    from karyocyte.common.files import write_csv
    from karyocyte.evaluation.tables.renderers import frame_table
    from reproduction.figures.tables import make_table  # takes seconds: after the help

    table = make_table(what, words)
    console.print(frame_table(table, what))
    if csv:
        write_csv(csv, table, "%.6f")
        say(str(csv))
        if what == "checkpoints":
            from reproduction.figures.checkpoints import draw_checkpoints

            draw_checkpoints(csv.with_suffix(".png"), table)


app = program(
    figures,
    "python scripts/figures.py layers resnet50_cut_block5 --csv layers.csv",
    "python scripts/figures.py missed RUN RUN RUN RUN",
    "python scripts/figures.py checkpoints outputs/anet_c6_mnist/*/seed=0 --csv figure-3.csv",
)
