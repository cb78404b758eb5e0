"""Peak memory and time of trainings beside a loop by hand: ``python -m benchmarks.speed.memory results/memory.csv``.

Each trains a network for two epochs on 144 images of 224 px in batches of 32, in a process of its own, from the files
to predictions. The C library handles the memory of the loop as it does by itself.
"""

import tempfile
from pathlib import Path

import pandas as pd
import typer

from benchmarks.shared import show, write_images
from benchmarks.speed import plain
from benchmarks.speed.case import used_by
from benchmarks.speed.training import settings
from karyocyte.common.files import write_csv
from karyocyte.common.revision import revision

IMAGES = 240
SIZE = 224
BATCH = 32
NETWORKS = ("mobilenetv2_100", "resnet50 to layer3", "resnet18")


def measure(folder: Path, network: str) -> dict[str, object]:
    """Train by ``train.py`` and by hand; return a row of the table."""
    ours = used_by("train.py", *settings(folder, network, SIZE, BATCH, plain.EPOCHS))
    places = f"{folder}/images", f"{folder}/by hand {network}"
    by_hand = used_by(plain.__file__, *places, network, str(SIZE), str(BATCH))
    row = {"ours_s": ours.seconds, "peer_s": by_hand.seconds, "ours_gb": ours.peak, "peer_gb": by_hand.peak}
    ratios = {"seconds_ratio": ours.seconds / by_hand.seconds, "memory_ratio": ours.peak / by_hand.peak}
    return {"network": network, **row, **ratios}


def main(csv: Path) -> None:
    """Measure all networks and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "images", IMAGES)
        table = pd.DataFrame([measure(Path(folder), network) for network in NETWORKS]).round(2)
    write_csv(csv, table.assign(revision=revision()))
    show(table, "memory", ("network", "ours_gb", "peer_gb", "memory_ratio", "seconds_ratio"))


if __name__ == "__main__":
    typer.run(main)
