"""What the steps of a reproduction took, and how that grows with the number of images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import UserError
from common.sweeps.records import key_of

GIB = 2**30


TRAINING = "train-"  # and the protocol, whose folder has the costs of the runs


def step_costs(reproduction: Path) -> pd.DataFrame:
    """Return a row for each step, by its name: minutes, CPU minutes, and GiB of memory and of each folder.

    A training step may have been interrupted: its row has the sums of what its runs recorded, and their most memory.
    """
    steps = json.loads((reproduction / "steps.json").read_text())["steps"]
    rows = {}
    for name, record in steps.items():
        took = {"minutes": record["seconds"] / 60, "cpu_minutes": record["cpu_seconds"] / 60}
        took["memory_gib"] = record["memory_gib"]
        of_runs = reproduction / name.removeprefix(TRAINING) / "costs.csv"
        if name.startswith(TRAINING) and of_runs.is_file():
            took = _sums(pd.read_csv(of_runs))
        disk = {f"{folder}_gib": size / GIB for folder, size in record.get("disk", {}).items()}
        rows[name] = {**took, **disk, "succeeded": record["code"] == 0}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")


def _sums(runs: pd.DataFrame) -> dict[str, float]:
    minutes = {"minutes": runs["wall_seconds"].sum() / 60, "cpu_minutes": 60 * runs["cpu_hours"].sum()}
    return {**minutes, "memory_gib": runs["peak_memory_gib"].max()}


def with_growth(table: pd.DataFrame, reproduction: Path, smaller: Path) -> pd.DataFrame:
    """Add the ratios of CPU minutes and of images to those of a smaller reproduction, and the exponent of growth.

    Raises:
        UserError: See ``number_of_cells``.
    """
    ratio = table["cpu_minutes"] / step_costs(smaller)["cpu_minutes"].reindex(table.index)
    images = number_of_cells(reproduction) / number_of_cells(smaller)
    return table.assign(cpu_ratio=ratio, images_ratio=images, exponent=np.log(ratio) / np.log(images))


def number_of_cells(reproduction: Path) -> int:
    """Return how many drawn cells the ``data_dir`` of a reproduction holds.

    Raises:
        UserError: It was not typed, or has none.
    """
    words = json.loads((reproduction / "steps.json").read_text())["settings"]["words"]
    folder = next((word.partition("=")[2] for word in words if key_of(word) == "data_dir"), None)
    count = sum(1 for _ in Path(folder).rglob("*.bmp")) if folder else 0
    if not count:
        raise UserError(f"{reproduction}: no drawn cells in data_dir={folder}: type data_dir=FOLDER of `draw`")
    return count
