"""Karyotypes by a run, by its portable model, and by that without torch: ``python -m benchmarks.portable``.

A new environment gets the dependency group ``predict`` alone; seconds and megabytes of its installation are measured.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from common.cli import TYPER, examples, report_user_errors, say
from common.errors import UserError
from common.files import write_csv
from common.paths import ROOT

app = typer.Typer(**TYPER)
RunPath = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A run on single chromosomes.")]
Cells = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="Table of cells: path, cell_id, case_id and class.")
]
Csv = Annotated[Path, typer.Option(help="Table to write; NAME_installation.csv goes beside it.")]
Batchnorm = Annotated[str | None, typer.Option(help="As of scripts/karyotype.py.", show_default="the run's")]


def install(environment: Path, installer: str) -> dict[str, Any]:
    """Install the dependency group ``predict`` into a new virtual environment, by pip or uv; return what that took."""
    python = environment / "bin" / "python"
    _run(sys.executable, "-m", "venv", environment)
    _run(python, "-m", "pip", "install", "-q", "--upgrade", "pip")
    command: list[Path | str] = [python, "-m", "pip", "install"]
    if installer == "uv":
        command = [sys.executable, "-m", "uv", "pip", "install", "--python", python]
    started = time.perf_counter()
    _run(*command, "-q", "--group", "predict", "--constraint", "constraints.txt")
    seconds = time.perf_counter() - started
    megabytes = sum(file.lstat().st_size for file in environment.rglob("*")) / 1e6
    packages = len(list(environment.glob("lib/*/site-packages/*.dist-info")))
    return {"installer": installer, "packages": packages, "seconds": round(seconds), "megabytes": round(megabytes)}


def karyotype(python: Path | str, model: Path, cells: Path, output: Path, *options: str) -> None:
    """Name the karyotypes of cells by a run or a portable model."""
    _run(python, "scripts/karyotype.py", model, cells, "--output", output, *options)


def compare(output: Path, of_run: Path, labels: pd.Series) -> dict[str, Any]:
    """Return the accuracy of an output of scripts/karyotype.py and how far it differs from that of the run."""
    names = dict.fromkeys(("class", "alone", "runner_up"), str)
    files, expected = (pd.read_csv(folder / "chromosomes.csv", dtype=names) for folder in (output, of_run))
    cells, expected_cells = (pd.read_csv(folder / "karyotypes.csv") for folder in (output, of_run))
    used = files["status"] == "used"
    truth = files["file"].map(labels)[used]
    return {
        "chromosomes": int(used.sum()),
        "cells": len(cells),
        "alone": (files["alone"][used] == truth).mean(),
        "jointly": (files["class"][used] == truth).mean(),
        "other_classes": int((files["class"].fillna("") != expected["class"].fillna("")).sum()),
        "other_karyotypes": int((cells["karyotype"].fillna("") != expected_cells["karyotype"].fillna("")).sum()),
        "difference_alone": (files["alone_probability"] - expected["alone_probability"]).abs().max(),
        "difference_jointly": (files["probability"] - expected["probability"]).abs().max(),
    }


def _run(*command: Path | str) -> None:
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-500:]}")


@app.command(epilog=examples("python -m benchmarks.portable RUN cells --csv results/portable.csv"))
@report_user_errors()
def main(run: RunPath, cells: Cells, csv: Csv, batchnorm: Batchnorm = None) -> None:
    """Compare a run with its portable model on labelled cells."""
    labels = pd.read_csv(cells, dtype=str).set_index("path")["class"]
    options = [] if batchnorm is None else ["--batchnorm", batchnorm]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        installed = [install(folder / name, name) for name in ("uv", "pip")]
        model = folder / "model"
        _run(sys.executable, "scripts/portable/export.py", run, "--output", model)
        fresh = folder / "pip" / "bin" / "python"
        for name, python, which in (
            ("run, torch", sys.executable, run),
            ("portable, torch", sys.executable, model),
            ("portable, ONNX Runtime, torch absent", fresh, model),
        ):
            output = folder / name
            karyotype(python, which, cells, output, *options)
            compared = compare(output, folder / "run, torch", labels)
            rows.append({"model": name, **compared})
    write_csv(csv, pd.DataFrame(rows), "%.8g")
    write_csv(csv.with_name(f"{csv.stem}_installation.csv"), pd.DataFrame(installed))
    say(f"{csv} and {csv.stem}_installation.csv written")


if __name__ == "__main__":
    app()
