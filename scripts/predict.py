"""Judge images that nobody prepared, by a finished run or by several as an ensemble."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors


class Labels(StrEnum):
    """Where the true classes of the images stand."""

    FOLDERS = "folders"


Paths = Annotated[
    list[Path],
    typer.Argument(metavar="RUN... IMAGES...", help="Run folders, then folders, zip files or files of images."),
]
Output = Annotated[Path, typer.Option(help="CSV to write; the same as .parquet comes to lie beside it.")]
Passes = Annotated[
    int | None, typer.Option(min=0, help="Passes of Monte Carlo dropout.", show_default="the run's inference.mc_passes")
]
Truth = Annotated[Labels | None, typer.Option(help="folders: the images lie in folders called like their classes.")]
Rules = Annotated[
    str | None,
    typer.Option(
        help="When a person looks: of votes, joint, release, positive; joined by commas.",
        show_default="votes,release, as far as the run has them",
    ),
]
Sheet = Annotated[Path | None, typer.Option(help="PNG to write: a contact sheet, at most 48 pictures.")]
CacheDir = Annotated[
    Path | None, typer.Option(help="Zip files are unpacked below it.", show_default="the run's cache_dir")
]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def predict(
    paths: Paths,
    output: Output = Path("predictions.csv"),
    passes: Passes = None,
    labels: Truth = None,
    rules: Rules = None,
    sheet: Sheet = None,
    cache_dir: CacheDir = None,
) -> None:
    """Judge images that nobody prepared, prepared as those of the run were.

    The table has a row per image: the probability of each class, the calls at 0.5 and at the threshold that validation
    chose, what passes or members say together, and whether a person should look (review) and why (reason). Files that
    cannot be read are listed there with the cause. Several runs are an ensemble: each has one vote. The folder of an
    ensemble stands for its members, joined by its weights.

    [bold]python scripts/predict.py outputs/karyogram_vgg16/subject-fold0-1a2b3c4d/seed=0 new_images[/bold]

    [bold]python scripts/predict.py RUN1 RUN2 images.zip --labels folders --sheet sheet.png --output new.csv[/bold]
    """
    # Imported here so that --help costs nothing.
    from common.cli import console, say, warn
    from common.runs.lifecycle import other_revisions
    from datamodules.inference.image_files import find_given
    from evaluation.uncertainty.flags import flag, known_rules, rule_lines
    from lightning_modules.load import read_config
    from workflows import predict as predicting

    _refuse_outputs(output, sheet)
    runs, places = predicting.split_arguments(paths)
    members = predicting.members_of(runs)
    given = find_given(places, cache_dir or Path(read_config(members[0]).cache_dir), console.is_terminal)
    if labels:
        truth = given.labels(predicting.data_facts(members[0])["classes"])
    else:
        truth = None
    warn(*predicting.cautions(members), *dict.fromkeys(line for member in members for line in other_revisions(member)))
    chosen = predicting.chosen_of(runs, members)
    judged = predicting.judge_files(members, given, passes, predicting.combiner_of(runs))
    found = judged.predictions
    if rules is None:
        asked = None
    else:
        asked = [name.strip() for name in rules.split(",") if name.strip()]
    applied = known_rules(chosen, found.sampled, found.positive_class, asked)
    table = predicting.full_table(judged, flag(found, chosen, applied), truth)
    trained_on = int((table["seen"] == "train").sum())
    warn(*chosen.notes, *([f"{trained_on:,} of the images are among those trained on"] if trained_on else []))
    if sheet:
        predicting.draw_sheet(sheet, table, given, found.about)
    parquet = predicting.write_tables(output, table)
    closing = [*rule_lines(chosen, applied, found.positive_class), *predicting.closing_lines(table, given)]
    say(f"{output} and {parquet.name}", *closing)


def _refuse_outputs(output: Path, sheet: Path | None) -> None:
    """Raise, before any work, where something would be overwritten or has a name of another kind."""
    from common.errors import UserError

    wanted = {"--output": (output, ".csv"), **({"--sheet": (sheet, ".png")} if sheet else {})}
    for option, (path, suffix) in wanted.items():
        if path.suffix.lower() != suffix:
            raise UserError(f"{option} {path}: a {suffix[1:].upper()} file is written: end its name in {suffix}")
    for path in [output, output.with_suffix(".parquet"), *([sheet] if sheet else [])]:
        if path.exists():
            raise UserError(f"{path} is there already: name another, or move it away")


if __name__ == "__main__":
    app()
