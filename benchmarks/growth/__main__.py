"""The time of the scan and the leak check against the number of images: ``python -m benchmarks.growth``."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.growth.parts import PARTS
from benchmarks.shared import show, write
from common.cli import report_user_errors
from common.files import atomic_path

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

COLUMNS = ("part", "images", "cpu_s", "slope")
LONGEST = 120.0  # seconds: a size is left out where the one before says that it would take longer
Sizes = Annotated[str, typer.Option(help="Numbers of images, rising, with commas.")]
Csv = Annotated[Path | None, typer.Option(help="Where the table is written.")]
Plot = Annotated[Path | None, typer.Option(help="Where the plot is drawn, a PNG file.")]


@app.command()
@report_user_errors()
def growth(sizes: Sizes = "1000,4000,16000,64000,256000,1000000", csv: Csv = None, png: Plot = None) -> None:
    """Measure each part with made-up images, in seconds of the processor, and the slope on logarithmic axes.

    [bold]python -m benchmarks.growth --csv results/growth.csv --png growth.png[/bold]
    """
    numbers = [int(size) for size in sizes.split(",")]
    table = pd.DataFrame([row for part in PARTS for row in _measured(part, numbers)])
    show(table.round(3), "growth", COLUMNS)
    write(table, csv)
    if png:
        _draw(table, png)


def _measured(part: str, sizes: list[int]) -> Iterator[dict[str, object]]:
    """Measure a part at each size; the slope is that from the size before."""
    before: tuple[int, float] | None = None
    for size in sizes:
        if before and before[1] * (size / before[0]) ** 1.5 > LONGEST:
            return
        with tempfile.TemporaryDirectory() as folder:
            seconds = PARTS[part](size, Path(folder))
        slope = None if before is None else float(np.log(seconds / before[1]) / np.log(size / before[0]))
        print(f"{part}, {size:,} images: {seconds:.2f} s", flush=True)
        yield {"part": part, "images": size, "cpu_s": seconds, "slope": slope}
        before = (size, seconds)


def _draw(table: pd.DataFrame, png: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for part, rows in table.groupby("part", sort=False):
        slope = f"{rows['slope'].iloc[-1]:.2f}" if len(rows) > 1 else "-"
        axes.loglog(rows["images"], rows["cpu_s"], "o-", label=f"{part} (last slope {slope})")
    axes.set_xlabel("images")
    axes.set_ylabel("seconds of the processor")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with atomic_path(png) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


if __name__ == "__main__":
    app()
