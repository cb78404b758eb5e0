"""Write a trained model as a folder that does not need its run."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_path

Folder = Annotated[
    Path, Argument(parser=run_path, metavar="RUN", help="Folder or name of a finished run, or of an ensemble.")
]
Output = Annotated[Path, Option(help="New folder for weights, description and model card.")]
DataDir = Annotated[str | None, Option(help="Where the images of the run are now.", show_default="where they were")]
LicenceText = Annotated[
    str | None, Option(help="Licence of the weights, as the model card states it.", show_default="not stated")
]
Half = Annotated[bool, Option("--half", help="Weights in 16 bits, about half as large; they are computed in 32.")]
Notes = Annotated[
    Path | None,
    Option(help="Markdown file on the data and their terms, for the model card.", show_default="none"),
]


def export(
    folder: Folder,
    output: Output,
    licence: LicenceText = None,
    data_dir: DataDir = None,
    half: Half = False,
    notes: Notes = None,
) -> None:
    """Write a trained model as a folder that does not need its run.

    The folder is that of the run without the files of its training: weights (safetensors), classes and preparation;
    export.json with metrics, thresholds and versions; and README.md, a model card. Members of an ensemble have a folder
    each. What the export predicts is compared with the run's network on images of its test part: where a probability
    differs by more than 0.0001 (weights in 16 bits: 0.01), nothing is written.
    """
    from karyocyte.inference.models import RunsModel
    from karyocyte.recipes.exports import ExportOptions, exported_kind
    from karyocyte.runs.run import Run

    options = ExportOptions(output, licence, data_dir, half, notes)
    if other := exported_kind(folder):
        other[1].export(folder, options)
        return
    model = RunsModel([Run.open(folder)])
    model.check()
    from karyocyte.workflows.export.export_model import export_model  # torch takes seconds: after the check

    export_model(model, options)


app = program(
    export,
    "python scripts/export.py chromosomes/latest --output mine",
    "python scripts/predict.py any new_images --output new.csv",
)
