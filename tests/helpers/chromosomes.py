"""Writes tiny sets of single chromosomes: bars with bands, long by class, dark on white or bright on black."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.helpers.images import write_image

NUMBERS = tuple(range(1, 25))


def bar(number: int, seed: int = 0, scale: float = 1.0, lean: float = 0.0, white: bool = False) -> np.ndarray:
    """Draw a chromosome of class 1 to 24: uint8 RGB on black (or inverted, on white), with a margin of 4 pixels.

    It is ``scale * (40 - number)`` pixels long, 8 wide and leans ``lean`` degrees clockwise; its pixels are over 90.
    """
    rng = np.random.default_rng([number, seed])
    length = max(round(scale * (40 - number)), 6)
    bands = cv2.resize(rng.integers(100, 250, (length // 3 + 2, 1), dtype=np.uint8), (round(8 * scale), length))
    side = 2 * ((length + 8) // 2) + 1
    image = np.zeros((side, side), np.uint8)
    top, left = (side - bands.shape[0]) // 2, (side - bands.shape[1]) // 2
    image[top : top + bands.shape[0], left : left + bands.shape[1]] = bands
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -lean, 1.0)
    image = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_NEAREST)
    rgb = np.repeat(image[..., None], 3, axis=2)
    return 255 - rgb if white else rgb


def write_chromosomes(
    root: Path, cases: int = 4, cells: int = 1, by_case: bool = True, copies: int = 2, seed: int = 0
) -> Path:
    """Write ``<class>/<cell>_<class>_<copy>.png`` and labels.csv; each cell has 22 pairs, an X and a Y (or two X)."""
    rows = []
    for case in range(cases):
        for cell in range(cells):
            name = f"case{case}.{cell}"
            for number in NUMBERS:
                count = copies if number < 23 else 1
                for copy in range(count):
                    path = f"{number:02d}/{name}_{number:02d}_{copy}.png"
                    pixels = bar(number, seed=seed + 100 * case + 10 * cell + copy, white=case % 2 == 0)
                    write_image(root / path, pixels)
                    rows.append({"path": path, "case_id": f"case{case}", "cell_id": name, "class": number})
    table = pd.DataFrame(rows)
    write_table(root / "labels.csv", table if by_case else table.drop(columns="case_id"))
    return root


def write_table(file: Path, rows: pd.DataFrame | list[dict]) -> Path:
    """Write rows with a header."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(file, index=False)
    return file
