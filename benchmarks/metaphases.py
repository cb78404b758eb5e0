"""How right the karyotypes are that scripts/karyotype.py names from pictures of metaphases, by case.

``python -m benchmarks.metaphases OUT DATA --csv results/metaphases/karyotypes.csv`` compares an output of
scripts/karyotype.py with the boxes and classes of the pictures in a data set (data=metaphases).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.shared import show
from common.cli import report_user_errors
from common.errors import UserError
from common.files import read_csv, write_csv
from common.karyotype import CHROMOSOMES, name_karyotype
from common.revision import revision
from datamodules.metaphases.data_module import MetaphaseDataModule
from evaluation.intervals.methods import t_on_scale
from lightning_modules.detection.matching import match, overlaps

SIDES = ["left", "top", "right", "bottom"]
LEAST = 0.5  # intersection over union of a box that finds a chromosome
COMMON = ("18", "21")  # of the trisomies that are counted


@dataclass(frozen=True)
class NamedPicture:
    """A picture, what is true of it, and what is said of it."""

    case: str
    true: str  # the karyotype of its boxes
    kind: str | None  # "normal", "numerical", "structural", or None, as the data set declares it
    said: str | None
    referred: bool
    boxes: int
    found: int  # boxes of which one is said to be a chromosome
    right: int  # and of the right class
    invented: int  # said to be a chromosome, without a box
    expected_wrong: float

    @property
    def excess(self) -> int:
        """How many chromosomes more are named than there are boxes."""
        return self.found + self.invented - self.boxes

    @property
    def is_normal(self) -> bool:
        """Whether the declaration and the boxes agree that it is normal."""
        return self.kind == "normal" and self.true in ("46,XX", "46,XY")

    @property
    def is_named(self) -> bool:
        """Whether an expert need not look at it."""
        return not self.referred and self.said is not None

    @property
    def is_right(self) -> bool:
        """Whether each chromosome is right, and none is invented."""
        return self.right == self.boxes and not self.invented


def share(part: Sequence[bool] | Sequence[int], whole: Sequence[bool] | Sequence[int]) -> float:
    """Return the sum of one over the sum of the other; NaN where there is nothing."""
    return float(sum(part) / sum(whole)) if sum(whole) else float("nan")


Measure = Callable[[Sequence[NamedPicture]], float]
MEASURES: dict[str, Measure] = {
    "chromosomes found": lambda all_: share([one.found for one in all_], [one.boxes for one in all_]),
    "chromosomes right": lambda all_: share([one.right for one in all_], [one.boxes for one in all_]),
    "found chromosomes right": lambda all_: share([one.right for one in all_], [one.found for one in all_]),
    "cells wholly right": lambda all_: share([one.is_right for one in all_], [True for _ in all_]),
    "count within one": lambda all_: share([abs(one.excess) <= 1 for one in all_], [True for _ in all_]),
    "referred": lambda all_: share([one.referred for one in all_], [True for _ in all_]),
    "karyotype exact": lambda all_: share([one.said == one.true for one in all_], [True for _ in all_]),
    "normal pictures exact": lambda all_: _exact([one for one in all_ if one.is_normal]),
    "normal pictures not referred, exact": lambda all_: _exact([one for one in all_ if one.is_normal and one.is_named]),
    "not referred, wholly right": lambda all_: share([one.is_named and one.is_right for one in all_], _named(all_)),
    "trisomy 18 or 21 found or referred": lambda all_: share(
        [_is_trisomy(one) and (one.referred or one.said == one.true) for one in all_], list(map(_is_trisomy, all_))
    ),
    "structural pictures referred": lambda all_: share(
        [one.referred and one.kind == "structural" for one in all_], [one.kind == "structural" for one in all_]
    ),
}


def _exact(pictures: Sequence[NamedPicture]) -> float:
    return share([one.said == one.true for one in pictures], [True for _ in pictures])


def _named(pictures: Sequence[NamedPicture]) -> list[bool]:
    return [one.is_named for one in pictures]


def _is_trisomy(picture: NamedPicture) -> bool:
    return any(picture.true.endswith(f",+{name}") for name in COMMON)


def named_pictures(output: Path, frame: pd.DataFrame) -> list[NamedPicture]:
    """Compare an output of scripts/karyotype.py with a manifest of metaphases.

    Raises:
        UserError: A picture of the output is not in the data set.
    """
    names = {"case": str, "cell": str, "class": str}
    cells = read_csv(output / "karyotypes.csv", dtype=names).fillna({"case": ""})
    files = read_csv(output / "chromosomes.csv", dtype=names).fillna({"case": ""})
    files = files[files["status"] == "used"]
    by_name = frame.set_index("image_id")
    pictures = []
    for cell in cells.to_dict("records"):
        if cell["cell"] not in by_name.index:
            raise UserError(f"{cell['cell']} is no picture of the data set: name the one that its picture is of")
        truth = by_name.loc[cell["cell"]]
        of_cell = files[(files["cell"] == cell["cell"]) & (files["case"] == cell["case"])]
        pictures.append(_compare(cell, of_cell, truth))
    return pictures


def _compare(cell: dict[str, object], files: pd.DataFrame, truth: pd.Series) -> NamedPicture:
    files = files.sort_values("box_probability", ascending=False)
    matched = match(overlaps(files[SIDES].to_numpy(float), np.asarray(truth["boxes"], float)), LEAST)
    classes = np.array([CHROMOSOMES[label] for label in truth["chromosomes"]])
    right = files["class"].to_numpy()[matched >= 0] == classes[matched[matched >= 0]]
    return NamedPicture(
        case=str(truth["subject"]),
        true=name_karyotype(Counter(classes.tolist())).iscn,
        kind=truth.get("kind"),
        said=cell["karyotype"] if isinstance(cell["karyotype"], str) else None,
        referred=cell["refer"] == "yes",
        boxes=len(classes),
        found=int((matched >= 0).sum()),
        right=int(right.sum()),
        invented=int((matched < 0).sum()),
        expected_wrong=float(str(cell["expected_wrong"])),
    )


def measured(pictures: Sequence[NamedPicture], confidence: float = 0.95) -> pd.DataFrame:
    """Return each of MEASURES with its interval by case: measure, value, low and high."""
    cases = sorted({one.case for one in pictures})
    rows = []
    for name, measure in MEASURES.items():
        value = measure(pictures)
        left_out = np.array([measure([one for one in pictures if one.case != case]) for case in cases])
        ends = t_on_scale(value, left_out, confidence, (0.0, 1.0)) if len(cases) > 1 else None
        low, high, _ = ends or (None, None, None)
        rows.append((name, value, low, high))
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high"])


def run(
    output: Annotated[Path, typer.Argument(help="An output of scripts/karyotype.py.")],
    data: Annotated[Path, typer.Argument(help="The data set that its pictures are of: its boxes and classes.")],
    csv: Annotated[Path | None, typer.Option(help="Where the table is written.")] = None,
) -> None:
    """Measure the karyotypes of pictures of metaphases against boxes and classes of a data set."""
    pictures = named_pictures(output, MetaphaseDataModule(data_dir=str(data)).manifest.frame)
    table = measured(pictures)
    show(table, f"{len(pictures)} pictures of {len({one.case for one in pictures})} cases", table.columns)
    if csv is not None:
        write_csv(csv, table.assign(pictures=len(pictures), revision=revision()))


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
