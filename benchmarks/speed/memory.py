"""Peak memory and time of trainings beside a loop by hand: ``python -m benchmarks.speed.memory results/memory.csv``.

Each trains a network for two epochs on 144 images of 224 px in batches of 32, in a process of its own, from the files
to predictions. The C library handles the memory of the loop as it does by itself.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import typer

from benchmarks.shared import show, write_images
from benchmarks.speed import plain
from karyocyte.common.files import write_csv
from karyocyte.common.paths import ROOT
from karyocyte.common.revision import revision

IMAGES = 240
SIZE = 224
BATCH = 32
# Of the loop, and of train.py.
NETWORKS = {
    "mobilenetv2_100": ("model.name=mobilenetv2_100",),
    "resnet50 to layer3": ("model.name=resnet50", "model.cut=layer3"),
    "resnet18": ("model.name=resnet18",),
}


class Used(NamedTuple):
    """What a process has used: seconds of the processor, and the peak of its memory in GB."""

    seconds: float
    peak: float


def used_by(*words: str) -> Used:
    """Run a Python program to its end.

    Raises:
        CalledProcessError: It fails.
    """
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, words)
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6)


def measure(folder: Path, network: str) -> dict[str, float]:
    """Train by ``train.py`` and by hand; return a row of the table."""
    settings = [
        "data=folder", f"data_dir={folder}/images", "data.positive_class=b", "protocol=image", "weights=random",
        "unfreeze=whole", f"unfreeze.lr={plain.RATE}", *NETWORKS[network], f"prepare.size={SIZE}",
        "prepare.crop=false", f"loader.batch_size={BATCH}",
        f"trainer.max_epochs={plain.EPOCHS}", "trainer.accelerator=cpu", f"cache_dir={folder}/cache",
        f"output_dir={folder}/{network}",
    ]  # fmt: skip
    ours = used_by("train.py", *settings)
    places = f"{folder}/images", f"{folder}/by hand {network}"
    by_hand = used_by(plain.__file__, *places, network, str(SIZE), str(BATCH), "returned")
    row = {"ours_s": ours.seconds, "peer_s": by_hand.seconds, "ours_gb": ours.peak, "peer_gb": by_hand.peak}
    return row | {"seconds_ratio": ours.seconds / by_hand.seconds, "memory_ratio": ours.peak / by_hand.peak}


def main(csv: Path) -> None:
    """Measure the networks of the table that lack a row."""
    rows = pd.read_csv(csv, dtype={"revision": str}).to_dict("records") if csv.exists() else []
    measured = {row["network"] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "images", IMAGES)
        for network in NETWORKS:
            if network not in measured:
                rows.append({"network": network, **measure(Path(folder), network), "revision": revision()})
                write_csv(csv, pd.DataFrame(rows).round(2))
    table = pd.DataFrame(rows)
    show(table, "memory", ("network", "ours_gb", "peer_gb", "memory_ratio", "seconds_ratio"))


if __name__ == "__main__":
    typer.run(main)
