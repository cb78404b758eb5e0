"""Baselines of the comparison of homologues, on the pairs of a run: a band profile, and normal pairs only."""

from pathlib import Path
from typing import Annotated

import typer

from common.arguments import new_folder
from common.cli import TYPER, examples, report_user_errors, say
from common.runs.run import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of +experiment=homologue_pairs.")]
Output = Annotated[Path, typer.Option(help="New folder to write: <baseline>/pairs.parquet and predictions.parquet.")]
DataDir = Annotated[str | None, typer.Option(metavar="FOLDER", help="Where the images of the run are now.")]

app = typer.Typer(**TYPER)


@app.command(epilog=examples("python -m benchmarks.homologues RUN --output baselines/fold0"))
@report_user_errors()
def baselines(run: RunFolder, output: Output, data_dir: DataDir = None) -> None:
    """Score the validation and test pairs of a run in two ways that never saw a rearrangement.

    band_profile: mean gray value of each row, both chromosomes aligned by stretch and shift within limits; the largest
    difference of nine rows and the difference of the lengths, each in standard deviations of the chromosome's normal
    validation pairs, added. one_class: normal training pairs only; the Mahalanobis distance from those of the
    chromosome, of the numbers that describe the alignment of a pair.
    """
    new_folder(output)
    opened = Run.open_finished(run)
    from benchmarks.homologues import band_profile, one_class
    from benchmarks.homologues.items import check_items, describe, evaluated, normal_training_pairs, write_baseline
    from datamodules.homologues.changes import KINDS, UNTOUCHED
    from lightning_modules.trainer import set_up_torch
    from workflows.homologues.items import open_data

    set_up_torch()
    data = open_data(opened, data_dir)
    check_items(opened, data)
    truth = opened.pairs
    assert truth is not None
    normal = ((truth["part"] == "validation") & (truth["kind"] == KINDS[UNTOUCHED])).to_numpy()
    found = describe(band_profile.compare_profiles, *evaluated(data))
    write_baseline(output / "band_profile", "band_profile", opened, found, band_profile.standardised(found, normal))
    training = describe(one_class.compare_summaries, *normal_training_pairs(data))
    usual = one_class.NormalPairs(training.numbers, training.chromosome)
    found = describe(one_class.compare_summaries, *evaluated(data))
    score = usual.distance(found.numbers, found.chromosome)
    write_baseline(output / "one_class", "one_class", opened, found, score)
    say(f"baselines in {output}", f"{len(truth):,} pairs each")


if __name__ == "__main__":
    app()
