"""Make one run of several: the mean of their predictions of the same images."""

import sys
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders or predictions.parquet.")]
Output = Annotated[Path, typer.Option(help="Folder of the new run; it must not hold anything yet.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often an interval should hold the truth.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback()
def ensemble() -> None:
    """Make one run of several."""


@app.command()
@report_user_errors()
def average(runs: Runs, output: Output, resamples: Resamples = 1000, confidence: Confidence = 0.95) -> None:
    """Average the probabilities of runs on the same images, such as the seeds of one experiment and fold.

    The new run has predictions.parquet, metrics.json, tables and pictures; scripts/evaluate.py reads it as any other,
    and pools the ensembles of several folds. Votes are those of the members.

    [bold]python scripts/ensemble.py average outputs/karyogram_vgg16/subject-fold0-*/seed=* --output outputs/vote[/bold]
    """
    # Imported here so that --help costs nothing.
    from common.console import console, say, warn
    from common.predictions import read_predictions, write_predictions
    from common.runs import write_status
    from common.schema import AssignmentConfig, EvaluationConfig
    from evaluation.cells import assignment_refusal
    from evaluation.ensembles import average as averaged
    from evaluation.judge import write_judgement
    from evaluation.tables import table

    refuse_what_is_there(output)
    members = [read_predictions(run) for run in runs]
    # A run's folder and its file are the same member, and so is its folder by another path.
    first: dict[Path, str] = {}
    folders = [run.parent if run.is_file() else run for run in runs]
    names = [first.setdefault(folder.resolve(), str(folder)) for folder in folders]
    predictions = averaged(members, names)
    sampled = sum(member.sampled for member in members)
    if sampled:
        warn(f"{sampled} of {len(members)} members have passes of their own: only their probabilities without dropout")
    predictions.about["run"] = str(output)
    assigns = AssignmentConfig(enabled=assignment_refusal([predictions]) is None)
    settings = EvaluationConfig(resamples=resamples, confidence=confidence, assignment=assigns)
    write_predictions(output / "predictions.parquet", predictions)
    judgement = write_judgement(output, predictions, None, settings)
    write_status(output, "finished", members=names)
    console.print(table(judgement))
    say(f"all of it: {output}")


def refuse_what_is_there(output: Path) -> None:
    """Raise where the folder exists and is not empty.

    Raises:
        UserError: Naming the folder and the way out.
    """
    from common.errors import UserError

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is there already: name another --output, or move it away")


if __name__ == "__main__":
    app()
