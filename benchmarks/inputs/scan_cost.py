"""CPU time of the facts of a file that a scan reads, beside an older revision.

``python -m benchmarks.inputs.scan_cost IMAGES --before FOLDER --csv results/scan_cost.csv`` saves 20 images as TIFF,
JPEG and PNG, and reads each 40 times in both checkouts in alternation, the older made by
``git worktree add ../69f5b20c 69f5b20c``. The least of the readings counts: a loaded machine only adds to it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import cv2
import pandas as pd
import typer

from benchmarks.shared import show
from datamodules.io.decode import read_image
from karyocyte.common.cli import report_user_errors
from karyocyte.common.files import write_csv
from karyocyte.common.paths import ROOT

KINDS = {"TIFF of 64 px": (".tif", 64), "JPEG of 450 px": (".jpg", 450), "PNG of 450 px": (".png", 450)}
FILES = 20
ROUNDS = 4
# Prints the milliseconds of each file. The C library keeps its memory, as it does in train.py.
READ = """
import json, sys, time
from pathlib import Path
import cv2
from datamodules.manifest.scan import _read_facts
cv2.setNumThreads(1)
least = []
for path in sorted(Path(sys.argv[1]).iterdir()):
    times = []
    for _ in range(40):
        start = time.thread_time()
        facts = _read_facts(path)
        times.append(1000 * (time.thread_time() - start))
    assert not isinstance(facts, str), facts
    least.append(min(times))
print(json.dumps(least))
"""
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}


def scan_cost(
    images: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder of images.")],
    before: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A checkout of the older revision.")],
    csv: Annotated[Path | None, typer.Option(help="Where the table is written.")] = None,
) -> None:
    """Compare the CPU time of the facts of a file with that of an older revision."""
    checkouts = {before.resolve().name: before.resolve(), "now": ROOT}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for kind, (suffix, size) in KINDS.items():
            folder = Path(name, suffix)
            _save(images, folder, suffix, size)
            for number in range(1, ROUNDS + 1):
                for revision, checkout in checkouts.items():
                    least = _read(checkout, folder)
                    rows.append({"files": kind, "revision": revision, "round": number, "milliseconds": least})
    table = pd.DataFrame(rows).round(4)
    means = table.pivot_table(index="files", columns="revision", values="milliseconds").round(3)
    means["ratio"] = (means["now"] / means[before.resolve().name]).round(3)
    show(means.reset_index(), "milliseconds per file", ["files", *means.columns])
    if csv is not None:
        write_csv(csv, table)


def _save(images: Path, folder: Path, suffix: str, size: int) -> None:
    folder.mkdir()
    for path in sorted(path for path in images.iterdir() if path.is_file())[:FILES]:
        pixels = cv2.resize(read_image(path), (size, size), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{path.stem}{suffix}"), pixels[..., ::-1])


def _read(checkout: Path, folder: Path) -> float:
    """Return the milliseconds per file in a process of its own."""
    command = [sys.executable, "-c", READ, str(folder)]
    environment = os.environ | KEEP_MEMORY | {"PYTHONPATH": str(checkout)}
    printed = subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True, text=True)
    values = json.loads(printed.stdout)
    return float(sum(values) / len(values))


if __name__ == "__main__":
    typer.run(report_user_errors()(scan_cost))
