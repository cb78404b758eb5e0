"""The same short trainings at an earlier revision and now: ``python -m benchmarks.revisions REVISION``."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.progress import track

from benchmarks.shared import checkout, show, write
from common.cli import TYPER, examples, report_user_errors
from common.errors import UserError
from common.paths import ROOT
from common.runs.run import Run

app = typer.Typer(**TYPER)

# Drawn images, small and few: the figures mean nothing, but they depend on all that a training does.
SETTINGS = (
    "+profile=demo",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "logger.tensorboard=false",
    "evaluation.resamples=100",
    "evaluation.train_images=0",
    "evaluation.thumbnails=0",
)
TASKS = {
    "cells": ("+experiment=resnet18_cut_block5",),
    "cells with flips": ("+experiment=mobilenetv2_cut", "transform=flips_rotations"),
    "chromosomes": ("+experiment=chromosomes_best", "prepare.size=[64,24]", "model.cut=layer2"),
    "chromosomes, no augmentation": (
        "+experiment=chromosomes_best",
        "prepare.size=[64,24]",
        "model.cut=layer2",
        "transform=none",
    ),
    "karyograms": ("+experiment=karyogram_resnet18_full",),
    "karyograms, no augmentation": ("+experiment=karyogram_resnet18_full", "transform=none"),
}
COLUMNS = ("task", "images", "seeds", "equal", "difference", "accuracy_before", "accuracy_now", "spread")
Revision = Annotated[str, typer.Argument(help="The earlier one; its code runs in this environment.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="TASK", help=f"Of {'; '.join(TASKS)}; all.")]
Images = Annotated[int, typer.Option(min=8, help="That a training sees, at most.")]
Seeds = Annotated[int, typer.Option(min=2, help="Trainings of each task at each revision.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


@app.command(epilog=examples("python -m benchmarks.revisions main~20 --csv results/revisions.csv"))
@report_user_errors()
def revisions(revision: Revision, only: Only = None, seeds: Seeds = 3, images: Images = 240, csv: Csv = None) -> None:
    """Tell whether the predictions of a revision are those of now, bit by bit, or how far apart they are."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, checkout(revision) as before:
        for task in track(only or TASKS, "training"):
            settings = [*TASKS[task], *SETTINGS, f"trainer.max_images={images}"]
            runs = []
            for seed in range(seeds):
                place = Path(folder, str(list(TASKS).index(task)), str(seed))
                sources = {"before": before, "now": ROOT}
                pair = [_train(source, [*settings, f"seed={seed}"], place / name) for name, source in sources.items()]
                runs.append(pair)
            rows.append({"task": task, "before": revision, "images": images, "seeds": seeds, **compare(runs)})
    table = pd.DataFrame(rows)
    show(table.round(4), f"predictions of {revision} and of now", COLUMNS)
    write(table, csv, digits=9)


def _train(source: Path, overrides: list[str], place: Path) -> Run:
    """Train by the code of a checkout on one thread; return the run."""
    places = (f"output_dir={place}", f"cache_dir={place}/cache")
    command = [sys.executable, "train.py", *overrides, *places]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    trained = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    if trained.returncode:
        raise UserError(f"{' '.join(command[1:])} in {source}: {trained.stderr.strip()}")
    (run,) = Run.find(place)
    return run


def compare(pairs: list[list[Run]]) -> dict[str, object]:
    """Compare runs of the earlier revision and of now, a pair per seed.

    Returns:
        ``equal`` counts the pairs whose predictions are the same bit by bit; ``difference`` is the largest between two
        probabilities; ``spread`` the standard deviation of the earlier accuracies over the seeds.
    """
    differences = []
    for before, now in pairs:
        one, other = (run.predictions.part("test") for run in (before, now))
        assert one.frame["image_id"].tolist() == other.frame["image_id"].tolist()
        differences.append(np.abs(one.probabilities - other.probabilities).max())
    accuracies = np.array([[_accuracy(run) for run in pair] for pair in pairs])
    return {
        "equal": sum(difference == 0 for difference in differences),
        "difference": max(differences),
        "accuracy_before": accuracies[:, 0].mean(),
        "accuracy_now": accuracies[:, 1].mean(),
        "spread": accuracies[:, 0].std(ddof=1),
    }


def _accuracy(run: Run) -> float:
    test = run.predictions.part("test")
    return float((test.probabilities.argmax(axis=1) == test.labels).mean())


if __name__ == "__main__":
    app()
