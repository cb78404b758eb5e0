"""How much accuracy turned and mirrored chromosomes cost: ``python -m benchmarks.orientation RUN DATA --csv FILE``."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer

from common.cli import TYPER, examples, report_user_errors, say
from common.errors import UserError
from common.paths import ROOT
from common.runs.run import Run

WHITE = 255  # the ground of the images
Image = np.ndarray  # height, width; uint8

app = typer.Typer(**TYPER)
RunPath = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A run of data=chromosomes.")]
DataPath = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Its images, with labels.csv.")]
Csv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table, or replace it.")]


def turned(image: Image, degrees: float) -> Image:
    """Return an image turned about its centre, on a square of ground that holds all of it."""
    height, width = image.shape
    side = int(np.hypot(height, width)) + 8
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_CUBIC, borderValue=WHITE)


VIEWS: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "as they are": lambda image, _: image,
    "upside down": lambda image, _: image[::-1, ::-1],
    "mirrored": lambda image, _: image[:, ::-1],
    "turned by any angle": lambda image, random: turned(image, random.uniform(0, 360)),
}


def write_view(view: str, rows: pd.DataFrame, data: Path, folder: Path) -> None:
    """Write the images of ``rows`` (with ``path``, relative to ``data``) in a view, and their labels.csv."""
    random = np.random.default_rng(0)
    for path in rows["path"]:
        image = cv2.imread(str(data / path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise UserError(f"{data / path} cannot be read: name the folder of the run's images")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), VIEWS[view](image, random))
    rows.to_csv(folder / "labels.csv", index=False)


@app.command(epilog=examples("python -m benchmarks.orientation RUN cells --csv results/orientation.csv"))
@report_user_errors()
def orientation(run: RunPath, data: DataPath, csv: Csv = None) -> None:
    """Evaluate a run on its test images: as they are, upside down, mirrored, and turned by any angle."""
    split = Run(run).split
    labels = pd.read_csv(data / "labels.csv", dtype=str)
    test = labels[labels["path"].isin(split.loc[split["part"] == "test", "path"])]
    for view in VIEWS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_view(view, test, data, folder / "images")
            command = [sys.executable, "scripts/evaluate.py", str(run.resolve()), "--costs", "karyotype"]
            command += ["--on", "data=chromosomes", f"data_dir={folder / 'images'}", "--output", str(folder / "output")]
            if csv:
                command += ["--csv", str(csv.resolve()), "--label", view]
            subprocess.run(command, cwd=ROOT, check=True)
        say(f"{len(test):,} test images, {view}")


if __name__ == "__main__":
    app()
