"""Speed beside the best alternatives: ``python -m benchmarks.speed --csv results/bench.csv`` (``make bench``)."""

import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show
from benchmarks.speed.case import measure
from karyocyte.common.cli import report_user_errors
from karyocyte.common.files import write_csv
from karyocyte.common.revision import revision

COLUMNS = ("case", "peer", "ratio", "lowest", "highest", "goal")
Threads = Annotated[int, typer.Option(min=1, help="Threads of torch and OpenCV.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table, or replace the rows of these topics in it.")]


def speed(threads: Threads = 1, csv: Csv = None) -> None:
    """Measure how many times faster each part is than its best alternatives, timed in turn in this process.

    The ratio is the median of the rounds, of the processor's time.
    """
    import cv2
    import torch

    from benchmarks.speed import prediction, training
    from lightning_modules.training.process import set_up_torch

    set_up_torch()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of ONNX Runtime and of child processes
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    rows = []
    for topic, cases in {"training": training.cases, "prediction": prediction.cases}.items():
        with tempfile.TemporaryDirectory() as folder:
            for case in cases(Path(folder)):
                print(f"{case.name} ...", flush=True)
                versions = " ".join(f"{name}={version(name)}" for name in ("torch", *case.packages))
                rows.append({**measure(case), "versions": versions, "topic": topic})
    table = pd.DataFrame(rows).assign(revision=revision(), threads=threads)
    show(table.round(2), "speed", COLUMNS)
    if csv:
        write_csv(csv, _with_earlier(table.round(5), csv))


def _with_earlier(table: pd.DataFrame, csv: Path) -> pd.DataFrame:
    """Return a table with the rows of other topics in a file."""
    if not csv.exists():
        return table
    earlier = pd.read_csv(csv, dtype={"revision": str})  # 0898e6549913 is no number
    return pd.concat([earlier[~earlier["topic"].isin(table["topic"])], table], ignore_index=True)


if __name__ == "__main__":
    typer.run(report_user_errors()(speed))
