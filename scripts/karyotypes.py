"""Compare the detection of abnormal cells by counting chromosomes and by a network on karyograms."""

import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.arguments import new_folder
from common.cli import report_user_errors
from scripts.shared import _options as options

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=options.several("--against"))
@report_user_errors()
def karyotypes(
    runs: options.CountedRuns,
    against: options.KaryogramRuns = None,
    csv: options.TableCsv = None,
    referral: options.Referral = None,
    suspects: options.Suspects = None,
    data_dir: options.DataDir = None,
    threshold: options.Threshold = "youden",
    sensitivity: options.Sensitivity = 0.95,
) -> None:
    """Tabulate which real aneuploidies are detected, with counts and exact intervals; then derived abnormalities.

    A network is evaluated at 0.5 and at each fold's own threshold, chosen on validation.

    [bold]python scripts/karyotypes.py outputs/chromosomes_best/subject-fold*/seed=0 --against
    outputs/karyogram_mobilenetv2_full/subject-fold*/seed=0[/bold]
    """
    from common.runs.run import Run

    # Checked before the heavy imports, so that a wrong path is reported at once.
    for folder, option in ((referral, "--referral"), (suspects, "--suspects")):
        if folder:
            new_folder(folder, option)
    chromosome_runs = [Run.open(path) for path in runs]
    karyogram_runs = [Run.open(path) for path in against or []]

    from common.cli import console
    from common.config.karyotype import KaryotypePriors
    from common.config.schema import EvaluationConfig
    from common.files import write_csv
    from evaluation.cytogenetics.karyotypes import CAPTION, compare_detection
    from evaluation.cytogenetics.referral import write_referral
    from evaluation.terminal import frame_table

    settings = EvaluationConfig(threshold=threshold, sensitivity=sensitivity)
    chromosomes = [run.predictions for run in chromosome_runs]
    karyograms = [run.predictions for run in karyogram_runs]
    table = compare_detection(chromosomes, karyograms, settings)
    for method, rows in table.groupby("method", sort=False):
        console.print(frame_table(rows.drop(columns="method"), f"cells predicted abnormal, {method}"))
    console.print(CAPTION)
    if csv:
        write_csv(csv, table, "%.4f")
    if referral:
        rows = write_referral(referral, chromosomes, KaryotypePriors())
        rows = rows[["referred", "threshold", "cells", "wrong", "low", "high", "chosen_by"]]
        console.print(frame_table(rows, "wrong karyotypes where the least probable cells are referred"))
    if suspects:
        from workflows.suspect_labels import write_suspects

        chromosomes_in_question = write_suspects(suspects, chromosome_runs, data_dir)
        cells = chromosomes_in_question.drop_duplicates("cell_id")
        cells = cells[["case_id", "cell_id", "cell_chromosomes", "cell_gain", "cell_moves"]]
        console.print(frame_table(cells, f"cells whose labels look wrong: {len(cells)}"))


if __name__ == "__main__":
    app()
