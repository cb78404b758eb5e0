"""Predict images that are not part of a data set, by a finished run or by several as an ensemble."""

import sys
from pathlib import Path
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, heavy_imports, report_user_errors
from scripts.shared._options import BatchNorm, CacheDir, RunsAndImages, Runtime

Output = Annotated[Path, typer.Option(help="CSV to write; the same table is written as .parquet next to it.")]
Passes = Annotated[
    int | None, typer.Option(min=0, help="Passes of Monte Carlo dropout.", show_default="the run's inference.mc_passes")
]
Truth = Annotated[
    Literal["folders"] | None, typer.Option(help="folders: the images are in folders with the names of their classes.")
]
Rules = Annotated[
    str | None,
    typer.Option(
        help="Rules of review: of votes, joint, release, positive, confidence, conformal; joined by commas.",
        show_default="votes,release; of more than two classes votes,confidence",
    ),
]
Accuracy = Annotated[
    float | None,
    typer.Option(min=0.01, max=0.999, help="Rule confidence: accuracy of the images that are not reviewed."),
]
Sheet = Annotated[Path | None, typer.Option(help="PNG to write: a contact sheet, at most 48 pictures.")]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/predict.py mobilenetv2_cut/latest new_images --output new.csv",
        "python scripts/predict.py vgg16_mnist anet_c6_mnist images.zip --sheet s.png",
    )
)
@report_user_errors()
def predict(
    paths: RunsAndImages,
    output: Output = Path("predictions.csv"),
    passes: Passes = None,
    labels: Truth = None,
    rules: Rules = None,
    accuracy: Accuracy = None,
    sheet: Sheet = None,
    cache_dir: CacheDir = None,
    batchnorm: BatchNorm = None,
    runtime: Runtime = None,
) -> None:
    """Predict images that are not part of a data set, prepared like those of the run.

    The table has a row per image: the probability of each class, the predictions at 0.5 and at the threshold of
    validation, the summary of passes or members, and whether a person should look (review) and why (reason). Files
    that cannot be read are listed there with the cause. Several runs are an ensemble: each has one vote. The folder of
    an ensemble predicts with its members, combined by its weights; that of scripts/portable/export.py needs no torch.
    """
    options = locals()
    from workflows.predict_request import PredictRequest

    request = PredictRequest(**options)
    request.check()
    with heavy_imports():  # after the check: torch takes seconds
        from workflows.predict import predict_images
    predict_images(request)


if __name__ == "__main__":
    app()
