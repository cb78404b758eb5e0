"""Baselines of the comparison of homologues, on the pairs of a run: a band profile, and normal pairs only."""

from pathlib import Path
from typing import Annotated

import typer

from common.arguments import new_folder
from common.cli import report_user_errors, say
from common.runs.run import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of +experiment=homologue_pairs.")]
Output = Annotated[Path, typer.Option(help="New folder to write: <baseline>/pairs.parquet and predictions.parquet.")]
OfEach = Annotated[int, typer.Option(min=3, help="Normal training pairs of each chromosome for one_class.")]

SAMPLE = 8  # untouched training pairs of each chromosome on which features are standardised

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def baselines(run: RunFolder, output: Output, of_each: OfEach = 64) -> None:
    """Score the validation and test pairs of a run in two ways that never saw a rearrangement.

    band_profile: mean gray value of each row, both chromosomes aligned by stretch and shift within limits; the largest
    difference of nine rows and the difference of the lengths, each in standard deviations of the chromosome's normal
    validation pairs, added. one_class: the same of the distance between features of rows, softly aligned, by the run's
    backbone with its first weights (weights=, as of ImageNet), standardised on untouched training pairs.

    [bold]python -m benchmarks.homologues outputs/homologue_pairs/subject-fold0-*/seed=0 --output baselines/fold0[/bold]
    """
    new_folder(output)
    opened = Run.open_finished(run)
    import torch

    from benchmarks.homologues.band_profile import compare_profiles
    from benchmarks.homologues.items import (
        differences_of,
        evaluated,
        normal_training_pairs,
        standardised,
        write_baseline,
    )
    from benchmarks.homologues.one_class import RowDistances, untrained
    from datamodules.homologues.changes import KINDS, UNTOUCHED
    from lightning_modules.trainer import set_up_torch
    from workflows.homologues.items import open_data

    set_up_torch()
    data = open_data(opened)
    truth = opened.pairs
    assert truth is not None
    normal = ((truth["part"] == "validation") & (truth["kind"] == KINDS[UNTOUCHED])).to_numpy()
    found = differences_of(compare_profiles, *evaluated(data))
    write_baseline(output / "band_profile", "band_profile", opened, found, standardised(found, found[normal]))
    sample = torch.cat([batch.image for batch in normal_training_pairs(data, SAMPLE)[0]])
    compare_rows = RowDistances(untrained(opened.config, sample), sample)
    of_training = differences_of(compare_rows, *normal_training_pairs(data, of_each))
    found = differences_of(compare_rows, *evaluated(data))
    write_baseline(output / "one_class", "one_class", opened, found, standardised(found, of_training))
    say(f"baselines in {output}", f"{len(truth):,} pairs each")


if __name__ == "__main__":
    app()
