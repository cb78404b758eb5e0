"""Measure what the house costs, as ratios within one run: never a figure of two runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Steps = Annotated[int, typer.Option(min=20, help="Steps of each loop; the first tenth is not counted.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch; its own choice if not said.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


@app.callback()
def benchmarks() -> None:
    """Measure what the house costs, as ratios within one run."""


@app.command()
@report_user_errors()
def overhead(steps: Steps = 200, threads: Threads = None, csv: Csv = None) -> None:
    """Compare train.py's training step with a bare PyTorch loop: same model, same batches, step by step in turn.

    The ratio is the median time of a bare step over the median time of train.py's, on drawn cells: 1 is no overhead.

    [bold]python scripts/benchmark.py overhead[/bold]
    """
    import pandas as pd
    import torch
    from rich.console import Console
    from rich.table import Table

    from common.files import atomic_path
    from common.runs import revision
    from lightning_modules.staged_training import set_up_torch
    from scripts.benchmarks.overhead import CASES, measure

    set_up_torch()
    if threads:
        torch.set_num_threads(threads)
    console, rows = Console(), []
    for case in CASES:
        rows.append(measure(case, max(20, steps // 4) if case.heavy else steps))
        row = rows[-1]
        console.print(f"{row['case']}: {row['bare_ms']:.1f} ms bare, {row['ours_ms']:.1f} ms ours", highlight=False)
    found = pd.DataFrame(rows).assign(threads=torch.get_num_threads(), torch=torch.__version__, revision=revision())
    shown = Table("case", "bare step, ms", "(fetch)", "our step, ms", "(fetch)", "bare / ours", title="overhead")
    for row in rows:
        times = [f"{row[f'{name}_ms']:.2f}" for name in ("bare", "bare_fetch", "ours", "ours_fetch")]
        shown.add_row(row["case"], *times, f"{row['ratio']:.3f}")
    console.print(shown)
    if csv:
        with atomic_path(csv) as temporary:
            found.round(4).to_csv(temporary, index=False)


if __name__ == "__main__":
    app()
