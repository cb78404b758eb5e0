"""A rehearsal of paper 004 at full size: drawn cells in the folders of C-NMC, and what each step took.

python -m benchmarks.rehearsal draw FOLDER
python scripts/reproduce.py 004 data_dir=FOLDER weights=random prepare.size=64 trainer.max_epochs=1
python -m benchmarks.rehearsal costs reproduction/004 --csv costs.csv

``draw --share 0.25`` draws a quarter; ``costs`` of both reproductions shows which steps grow faster than the images.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer

from common.cli import report_user_errors, say
from common.errors import UserError
from common.files import write_csv
from common.sweeps.records import key_of
from datamodules.io.progress import threaded
from datamodules.sources.cnmc import DRAWN, PUBLISHED, TRAINING
from datamodules.sources.synthetic_cells import SyntheticConfig, draw_image

SIDE = 450  # pixels, as published
PATIENTS, HEALTHY = 47, 26  # subjects of the training set
SUBJECTS = 2 * PATIENTS  # draw_image makes every second subject healthy; not all of these are used
GIB = 2**30
FOLDS = [name for name in PUBLISHED if name.startswith("fold_")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
Folder = Annotated[Path, typer.Argument(help="A new folder.")]
Share = Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the published number of images.")]
Reproduction = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of reproduce.py.")]
Smaller = Annotated[
    Path | None, typer.Argument(exists=True, file_okay=False, help="One of fewer drawn cells, to compare with.")
]
Csv = Annotated[Path, typer.Option(help="The table.")]


@dataclass(frozen=True)
class DrawnCell:
    """A picture to be drawn: its number for ``draw_image``, and its place below the folder."""

    number: int
    path: Path


def drawn_cells(share: float) -> Iterator[DrawnCell]:
    """List the pictures: of each fold as many ALL and HEM as published, times ``share``; no subject in two folds."""
    for fold_number, fold in enumerate(FOLDS):
        for class_number, (label, count) in enumerate(zip(("all", "hem"), PUBLISHED[fold], strict=True)):
            # draw_image gives subject s the class of s % 2; a fold has the subjects s // 2 % 3 of its number.
            subjects = [s for s in range(class_number, SUBJECTS, 2) if s // 2 % len(FOLDS) == fold_number]
            if label == "hem":
                subjects = subjects[: round(len(subjects) * HEALTHY / PATIENTS)]
            for image in range(round(share * count)):
                turn, place = divmod(image, len(subjects))
                subject = subjects[place]
                name = f"{'H' if label == 'hem' else ''}{subject // 2 + 1}"
                path = Path(TRAINING, fold, label, f"UID_{name}_{turn + 1}_1_{label}.bmp")
                yield DrawnCell(turn * SUBJECTS + subject, path)


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an RGB image, (H, W, 3), as BMP; an ``OSError`` says where the disk is full, as cv2.imwrite does not."""
    _, content = cv2.imencode(".bmp", image[..., ::-1])
    path.write_bytes(content.tobytes())


@app.command()
@report_user_errors()
def draw(folder: Folder, share: Share = 1.0) -> None:
    """Draw cells of 450 x 450 pixels into the folders of C-NMC's training set: 6.5 GB, minutes."""
    cells = list(drawn_cells(share))
    most = max(cell.number for cell in cells) + 1
    data = SyntheticConfig(source="synthetic", size=SIDE, subjects=SUBJECTS, images=most)
    for parent in {cell.path.parent for cell in cells}:
        (folder / parent).mkdir(parents=True)  # an error where there is one
    (folder / DRAWN).write_text("Drawn cells in the folders of C-NMC: no patients.\n")

    def write(cell: DrawnCell) -> None:
        write_picture(folder / cell.path, draw_image(data, cell.number))

    for _ in threaded(write, cells, len(cells), f"drawing {len(cells):,} cells", True):
        pass
    say(f"{len(cells):,} drawn cells in {folder}")


@app.command()
@report_user_errors()
def costs(reproduction: Reproduction, csv: Csv, smaller: Smaller = None) -> None:
    """Write what each step of a reproduction took, and its disk after each.

    With a smaller one also the ratios of seconds and of images, and the exponent: 1 grows as the images do, 2 with
    their square.
    """
    table = step_costs(reproduction)
    if smaller is not None:
        table["seconds_ratio"] = table["minutes"] / step_costs(smaller)["minutes"].reindex(table.index)
        table["images_ratio"] = number_of_cells(reproduction) / number_of_cells(smaller)
        table["exponent"] = np.log(table["seconds_ratio"]) / np.log(table["images_ratio"])
    write_csv(csv, table.reset_index(), "%.2f")
    say(f"{len(table)} steps in {csv}")


def step_costs(reproduction: Path) -> pd.DataFrame:
    """Return a row for each step, by its name: minutes, and GiB of memory and of each folder."""
    steps = json.loads((reproduction / "steps.json").read_text())["steps"]
    rows = {}
    for name, record in steps.items():
        disk = {f"{folder}_gib": size / GIB for folder, size in record.get("disk", {}).items()}
        minutes = {"minutes": record["seconds"] / 60, "cpu_minutes": record["cpu_seconds"] / 60}
        rows[name] = {**minutes, "memory_gib": record["memory_gib"], **disk, "succeeded": record["code"] == 0}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")


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


if __name__ == "__main__":
    app()
