"""Referral by confidence on random halves of a run's images: one chooses the cut, the other measures it."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from common.cli import TYPER, examples, report_user_errors, say
from common.config.schema import EvaluationConfig
from common.files import write_csv
from common.predictions import Predictions
from common.runs.names import run_path
from common.runs.run import Run
from evaluation.core.labelled import score
from evaluation.labelled_runs import LabelledRuns
from evaluation.metrics.classification import call
from evaluation.uncertainty.referral import evaluate_referral

CERTAINTIES = (0.5, 0.8, 0.9, 0.95)  # 0.5 is about the point estimate
TARGETS = (0.9, 0.95)

RunFolders = Annotated[list[Path], typer.Argument(parser=run_path, metavar="RUN...", help="Finished runs.")]
Csv = Annotated[Path, typer.Option(help="Table to write.")]
Repeats = Annotated[int, typer.Option(min=10, help="Random halves.")]

app = typer.Typer(**TYPER)


@app.command(epilog=examples("python -m benchmarks.referral RUN --csv referral_certainty.csv"))
@report_user_errors()
def measure(runs: RunFolders, csv: Csv, repeats: Repeats = 300) -> None:
    """Measure the referral of runs by confidence, at several targets and certainties."""
    rows = []
    for path in runs:
        predictions = Run.open_finished(path).predictions
        for target in TARGETS:
            rows += [measured(predictions, target, certainty, repeats) for certainty in CERTAINTIES]
    write_csv(csv, pd.DataFrame(rows), "%.4f")
    say(f"written to {csv}")


def measured(predictions: Predictions, target: float, certainty: float, repeats: int) -> dict[str, Any]:
    """Return how many images are not referred, how many of them are right, and how often too few are.

    ``images`` is the size of a half, ``accuracy`` of all images; ``kept`` the mean share that is not referred,
    ``kept_accuracy`` the mean over the halves that keep any, ``missed`` the share of halves below the target.
    """
    settings = EvaluationConfig()
    triage = settings.triage.model_copy(update={"accuracy": target, "certainty": certainty})
    settings = settings.model_copy(update={"triage": triage})
    generator = np.random.default_rng(0)
    kept = []
    accuracies = []
    for _ in range(repeats):
        halves = _halved(predictions, generator)
        referral = evaluate_referral(LabelledRuns.of([halves], settings))
        assert referral is not None  # each half has images
        kept.append(1 - (referral.referred.value or 0.0))
        if referral.correct.value is not None:
            accuracies.append(referral.correct.value)
    scored = score(predictions)
    correct = call(scored.probabilities, scored.positive_index) == scored.labels
    return {
        "run": predictions.about["name"],
        "images": len(correct) // 2,
        "accuracy": float(correct.mean()),
        "target": target,
        "certainty": certainty,
        "kept": float(np.mean(kept)),
        "kept_accuracy": float(np.mean(accuracies)) if accuracies else None,
        "missed": sum(accuracy < target for accuracy in accuracies) / repeats,
    }


def _halved(predictions: Predictions, generator: np.random.Generator) -> Predictions:
    labelled = predictions.frame[predictions.frame["label"].notna()].reset_index(drop=True)
    parts = np.where(generator.permutation(len(labelled)) < len(labelled) // 2, "validation", "test")
    frame = labelled.assign(part=parts)
    return Predictions(frame, predictions.classes, predictions.positive_class, predictions.about)


if __name__ == "__main__":
    app()
