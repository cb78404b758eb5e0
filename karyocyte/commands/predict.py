"""Predict images that are not part of a data set, by a finished run or by several as an ensemble."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_word

Words = Annotated[
    list[str],
    Argument(
        parser=run_word,
        metavar="RUN... IMAGES... [KEY=VALUE...]",
        help="Runs or a portable model; then folders, zip files or files of images; keys of conf/predict.yaml.",
    ),
]
Output = Annotated[Path, Option(help="CSV to write; the whole table is written as .parquet next to it.")]


def predict(words: Words, output: Output = Path("predictions.csv")) -> None:
    """Predict images that are not part of a data set, prepared like those of the run.

    The table has a row per image: the most probable class and the next, the prediction at the threshold of validation,
    and whether a person should look (review) and why (reason); with columns=all, as in the parquet file, also the
    probability of each class and the summary of passes or members. Files that cannot be read are listed there with the
    cause. Several runs are an ensemble: each has one vote. The folder of an ensemble predicts with its members,
    combined by its weights.
    """
    from karyocyte.workflows.prediction.predict_request import PredictRequest

    request = PredictRequest.read(words, output=output)
    from karyocyte.workflows.prediction.predict_images import predict_images  # torch takes seconds: after the check

    predict_images(request)


app = program(
    predict,
    "python scripts/predict.py mobilenetv2_cut/latest new_images --output new.csv",
    "python scripts/predict.py vgg16_mnist images.zip --output v.csv",
)
