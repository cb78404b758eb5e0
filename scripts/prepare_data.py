"""Bring a data set into shape before the training: unpack, check, count, and prepare its images once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


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
    # Imported here so that --help costs nothing.
    from common.cli import console, say, warn
    from common.config.compose import compose_config
    from common.errors import UserError
    from datamodules.manifest.splits import split
    from datamodules.preprocessing.cache import RECORDS, cache_folder, prepared_images
    from datamodules.sources import scan, sources
    from datamodules.sources._published import is_incomplete
    from datamodules.summary import class_counts, overview, write_kind_sheet
    from datamodules.transforms.presplit_augmentation import expand

    config = compose_config(overrides)
    cache = Path(config.cache_dir)
    scanned = scan(config.data, config.data_dir, cache)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.notes)
    home = sources()[config.data.source].home
    if home and any(map(is_incomplete, scanned.notes)):
        warn(f"not the whole set: the rest can be had at {home}")
    if sheet is not None:
        say(f"{write_kind_sheet(scanned, sheet)} images, one of each kind or class: {sheet}")
    expansion = expand(scanned, config.data, config.protocol, config.split, config.transform)
    manifest = expansion.manifest
    warn(*expansion.warnings)
    try:
        parts = split(manifest, config.protocol, config.split, config.data.paper_split)
    except UserError as error:
        parts = None
        warn(f"no split: {error}")
    title = f"protocol={config.protocol}, fold {config.split.fold}"
    console.print(as_table(overview(manifest, parts), title), as_table(class_counts(manifest, parts), "classes"))
    if images:
        prepared = prepared_images(scanned, config.prepare, cache)
        height, width = prepared.shape[1:3]
        folder = cache_folder(scanned, config.prepare, cache)
        lines = (f"label, original size, channels and file name of each: {folder / RECORDS}",)
        say(f"prepared: {len(prepared):,} images of {width} x {height} pixels in {folder}", *lines)


def as_table(frame: "pd.DataFrame", title: str) -> "Table":
    """Return a data frame as a table of the house's look: the first column on the left, numbers on the right."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for position, column in enumerate(frame.columns):
        table.add_column(column, justify="right" if position else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    return table


if __name__ == "__main__":
    app()
