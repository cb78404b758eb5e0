"""Speed beside the best alternatives: ``python -m benchmarks.speed --csv results/bench.csv`` (``make bench``)."""

import os
import tempfile
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show
from benchmarks.speed.case import Case, measure
from karyocyte.common.cli import report_user_errors
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.revision import revision

TOPICS = ("training", "prediction")
COLUMNS = ("case", "peer", "ratio", "lowest", "highest", "goal")
Only = Annotated[list[str] | None, typer.Option("--only", metavar="TOPIC", help=f"Of {', '.join(TOPICS)}; all.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of torch and OpenCV.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table, or replace the rows of these topics in it.")]


def speed(only: Only = None, threads: Threads = 1, csv: Csv = None) -> None:
    """Measure how many times faster each part is than its best alternatives, timed in turn in this process.

    The ratio is the median of the rounds, of the processor's time.
    """
    unknown = sorted(set(only or ()) - set(TOPICS))
    if unknown:
        raise UserError(f"--only {unknown[0]}: choose of {', '.join(TOPICS)}")
    import cv2
    import torch

    from lightning_modules.training.process import set_up_torch

    set_up_torch()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of ONNX Runtime and of child processes
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    tables = []
    for topic in only or TOPICS:
        with tempfile.TemporaryDirectory() as folder:
            table = _table(import_module(f"benchmarks.speed.{topic}").cases(Path(folder)))
        show(table.round(2), topic, COLUMNS)
        tables.append(table.assign(topic=topic, threads=threads))
    if csv:
        write_csv(csv, _with_earlier(pd.concat(tables, ignore_index=True), csv))


def _table(cases: Iterable[Case]) -> pd.DataFrame:
    tables = []
    for case in cases:
        print(f"{case.name} ...", flush=True)
        versions = []
        for peer in case.peers.values():
            versions.append(" ".join(f"{name}={version(name)}" for name in ("torch", *peer.packages)))
        tables.append(measure(case).assign(versions=versions))
    return pd.concat(tables, ignore_index=True).assign(revision=revision())


def _with_earlier(table: pd.DataFrame, csv: Path) -> pd.DataFrame:
    """Return a table with the rows of other topics in a file."""
    table = table.round(5)
    if not csv.exists():
        return table
    earlier = pd.read_csv(csv, dtype={"revision": str})  # 0898e6549913 is no number
    return pd.concat([earlier[~earlier["topic"].isin(table["topic"])], table], ignore_index=True)


if __name__ == "__main__":
    typer.run(report_user_errors()(speed))
