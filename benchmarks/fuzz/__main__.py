"""Fuzz: 10,000 images and as many texts; each is used, listed with a cause, or ends with one line.

python -m benchmarks.fuzz --csv results/fuzz.csv
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show
from common.cli import TYPER, examples, heavy_imports, report_user_errors
from common.files import write_csv

app = typer.Typer(**TYPER)
TEXTS = 17  # kinds of texts
Images = Annotated[int, typer.Option(min=1, help="Images of all kinds together, for each workflow.")]
Texts = Annotated[int, typer.Option(min=0, help="Tables, zips, overrides, files of runs, ... together.")]
Seed = Annotated[int, typer.Option(help="Of the draws.")]
Workflow = Annotated[list[str] | None, typer.Option("--workflow", help="Only these: predict, prepare, karyotype.")]
Kind = Annotated[list[str] | None, typer.Option(help="Only these kinds of images.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


@app.command(epilog=examples("python -m benchmarks.fuzz --csv results/fuzz.csv"))
@report_user_errors()
def fuzz(
    images: Images = 10_000,
    texts: Texts = 10_000,
    seed: Seed = 0,
    only: Workflow = None,
    kind: Kind = None,
    csv: Csv = None,
) -> None:
    """Count what becomes of broken, odd and hostile files: used, listed, an error of one line, a traceback, or lost."""
    with heavy_imports():  # here, so that --help does not wait for torch
        from benchmarks.fuzz.images import KINDS
        from benchmarks.fuzz.texts import fuzz_texts
        from benchmarks.fuzz.workflows import (
            CELLS,
            CHROMOSOMES,
            Outcome,
            fuzz_images,
            karyotype_folder,
            predict_folder,
            prepare_folder,
            train_small,
        )
        from lightning_modules.trainer import set_up_torch

    set_up_torch()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cells = train_small(folder / "cells", CELLS)
        chromosomes = train_small(folder / "chromosomes", CHROMOSOMES)
        calls: dict[str, Callable[[Path, Outcome], None]] = {
            "predict": partial(predict_folder, cells),
            "prepare": prepare_folder,
            "karyotype": partial(karyotype_folder, chromosomes),
        }
        outcomes = []
        for workflow in calls if only is None else only:
            call = calls[workflow]
            for name in kind or KINDS:
                count = -(-images // len(KINDS))
                outcomes.append(fuzz_images(workflow, name, count, seed, folder / workflow / name, call))
        if texts:
            review = folder / "review" / "plain"
            fuzz_images("karyotype", "plain", 40, seed, review, calls["karyotype"])
            output = review.with_name("plain-karyotypes")
            outcomes += fuzz_texts(folder / "texts", cells, output, -(-texts // TEXTS), seed)
    table = pd.DataFrame([outcome.row() for outcome in outcomes])
    show(table, "fuzz", table.columns)
    if csv:
        write_csv(csv, table)


if __name__ == "__main__":
    app()
