"""The time of each part against the amount of its work: ``python -m benchmarks.growth --csv results/growth.csv``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show
from common.cli import TYPER, examples, heavy_imports, report_user_errors
from common.errors import UserError
from common.files import atomic_path, write_csv
from common.revision import revision

app = typer.Typer(**TYPER)

COLUMNS = ("part", "size", "unit", "cpu_s", "slope")
Only = Annotated[list[str] | None, typer.Option("--only", metavar="PART", help="A part of the table; all.")]
Longest = Annotated[float, typer.Option(min=0.1, help="Sizes that would take more seconds are left out.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table, or replace the rows of these parts in it.")]
Plot = Annotated[Path | None, typer.Option(help="Where the plot is drawn, a PNG file.")]


@app.command(epilog=examples("python -m benchmarks.growth --csv results/growth.csv --png results/growth.png"))
@report_user_errors()
def growth(only: Only = None, longest: Longest = 100.0, csv: Csv = None, png: Plot = None) -> None:
    """Measure each part with made-up work of rising size: seconds of the processor, and the slope from size to size.

    The slope is that on logarithmic axes: 1 is linear, 2 quadratic.
    """
    with heavy_imports():
        from benchmarks.growth import data, results, runs
        from benchmarks.growth.part import measure
    parts = {part.name: part for part in (*data.PARTS, *results.PARTS, *runs.PARTS)}
    unknown = sorted(set(only or ()) - set(parts))
    if unknown:
        raise UserError(f"--only {unknown[0]!r}: choose of {'; '.join(parts)}")
    rows = []
    for name in only or parts:
        for measured in measure(parts[name], parts[name].sizes, longest):
            print(f"{name}, {measured.size:,} {measured.unit}: {measured.cpu_s:.2f} s", flush=True)
            rows.append(asdict(measured))
    table = pd.DataFrame(rows)
    show(table.round(3), "growth", COLUMNS)
    table = table.round(4).assign(revision=revision())
    if csv:
        table = _with_earlier(table, csv)
        write_csv(csv, table)
    if png:
        _draw(table, png)


def _with_earlier(table: pd.DataFrame, csv: Path) -> pd.DataFrame:
    """Return a table in which the rows of other parts in a file come first."""
    if not csv.exists():
        return table
    earlier = pd.read_csv(csv, dtype={"revision": str})
    return pd.concat([earlier[~earlier["part"].isin(table["part"])], table], ignore_index=True)


def _draw(table: pd.DataFrame, png: Path) -> None:
    """Draw what grows with images on the left, the rest on the right; the legend has the last slopes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for (part, unit), rows in table.groupby(["part", "unit"], sort=False):
        axes = left if unit == "images" else right
        name = part if unit == "images" else f"{part}: {unit}"
        slope = f"{rows['slope'].iloc[-1]:.2f}" if len(rows) > 1 else "-"
        axes.loglog(rows["size"], rows["cpu_s"], "o-", markersize=4, label=f"{name} ({slope})")
    left.set_xlabel("images")
    right.set_xlabel("subjects, runs, jobs, members")
    left.set_ylabel("seconds of the processor")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12), "ncols": 2}
            axes.legend(fontsize=8, title="last slope in brackets", title_fontsize=8, **place)
    with atomic_path(png) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


if __name__ == "__main__":
    app()
