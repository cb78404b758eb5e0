"""Bring a data set into shape before the training: unpack, check, count, and prepare its images once."""

import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed

from common.cli import report_user_errors

Overrides = Annotated[
    list[str],
    typer.Argument(metavar="KEY=VALUE...", help="As train.py takes them: data=mnist data_dir=..., +experiment=<name>."),
]
Images = Annotated[bool, typer.Option(help="Prepare the images too (prepare.*), or only unpack and count.")]
Sheet = Annotated[
    Path | None,
    typer.Option(
        help="Draw one image of each kind or class into this PNG file; of composed karyograms with the truth."
    ),
]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def prepare_data(overrides: Overrides, images: Images = True, sheet: Sheet = None) -> None:
    """Unpack a data set safely, check it against what is published, print its tables, and prepare its images once.

    A zip in data_dir is unpacked below cache_dir; train.py finds all of it done.

    [bold]python scripts/prepare_data.py data=mnist data_dir=data/mnist protocol=image split.test=test[/bold]

    [bold]python scripts/prepare_data.py +experiment=hem_all_cnn_64 data_dir=cnmc.zip protocol=paper[/bold]

    [bold]python scripts/prepare_data.py data=composed_karyograms data_dir=cells.zip --sheet karyograms.png[/bold]
    """
    # Imported here: the help page needs none of it, and a mistyped key nothing of the second half.
    from common.config.compose import check_config, compose_overrides
    from common.config.rules import check_data_dir

    composed = compose_overrides(overrides)
    check_data_dir(composed)
    config = check_config(composed)
    from workflows import prepare_data as workflow

    workflow.prepare_data(config, images, sheet)


if __name__ == "__main__":
    app()
