"""Compare the detection of abnormal cells by counting, by comparing homologues and by a network on karyograms."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.arguments import new_folder
from common.cli import TYPER, examples, report_user_errors
from scripts.shared import _options as options

app = typer.Typer(**TYPER)


@app.command(
    cls=options.several("--against", "--pairs"),
    epilog=examples(
        "python scripts/karyotypes.py chromosomes_best/latest --csv detected.csv",
        "python scripts/karyotypes.py chromosomes_best --pairs homologue_pairs/latest",
    ),
)
@report_user_errors()
def karyotypes(
    runs: options.CountedRuns,
    against: options.KaryogramRuns = None,
    pairs: options.ComparedRuns = None,
    csv: options.TableCsv = None,
    referral: options.Referral = None,
    suspects: options.Suspects = None,
    data_dir: options.DataDir = None,
    costs: options.Costs = "fixed",
    threshold: options.Threshold = "youden",
    sensitivity: options.Sensitivity = 0.95,
    false_alarms: options.FalseAlarms = 0.05,
) -> None:
    """Tabulate which real aneuploidies are detected, with counts and exact intervals; then derived abnormalities.

    With [bold]--pairs[/bold] a cell is abnormal, too, where its most abnormal pair of homologues is.

    A network is evaluated at 0.5 and at each fold's own threshold, chosen on validation. [bold]--referral[/bold] and
    [bold]--suspects[/bold] write the probability of each cell's karyotype, and the cells whose labels look wrong.
    """
    from common.runs.run import Run

    # Checked before the heavy imports, so that a wrong path is reported at once.
    for folder, option in ((referral, "--referral"), (suspects, "--suspects")):
        if folder:
            new_folder(folder, option)
    chromosome_runs = [Run.open(path) for path in runs]
    karyogram_runs = [Run.open(path) for path in against or []]
    pair_runs = [Run.open(path) for path in pairs or []]

    from common.config.schema import EvaluationConfig
    from common.files import write_csv
    from workflows.karyotypes import PairRuns, detect_abnormal_cells, list_suspects, refer_cells

    settings = {"threshold": threshold, "sensitivity": sensitivity, "assignment": {"costs": costs}}
    compared = PairRuns(pair_runs, false_alarms)
    table = detect_abnormal_cells(chromosome_runs, karyogram_runs, compared, EvaluationConfig.model_validate(settings))
    if csv:
        write_csv(csv, table, "%.4f")
    if referral:
        refer_cells(referral, chromosome_runs)
    if suspects:
        list_suspects(suspects, chromosome_runs, data_dir)


if __name__ == "__main__":
    app()
