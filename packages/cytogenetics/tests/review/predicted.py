"""Writes the table of scripts/predict.py for synthetic images, without a model."""

from pathlib import Path

import numpy as np
import pandas as pd

from karyocyte.common.files import sha256_of_file
from karyocyte.evaluation.pooling.predicted_table import PredictedFacts, write_predicted
from tests.helpers.images import write_image


def write_table(folder: Path, images: int = 4, classes: tuple[str, ...] = ("bright", "dark")) -> Path:
    """Write images, of which the first is the most doubtful, and a table of predictions; the last file is broken.

    The names of the others descend as their doubt does.
    """
    rows = []
    for number in range(images):
        kind = number % 2
        probability = 0.6 + 0.3 * number / images
        name = f"{(6 - number) % 6:02d}.png"
        image = np.full((40, 40, 3), 200 - 150 * kind, np.uint8)
        image[0] += 5
        path = write_image(folder / "new" / name, image)
        row = {"file": name, "status": "predicted", "prediction": classes[kind], "probability": probability}
        row |= {"review": False, "reason": None, "path": str(path), "sha256": sha256_of_file(path)}
        row |= {f"prob_{other}": (1 - probability) / (len(classes) - 1) for other in classes}
        rows.append(row | {f"prob_{classes[kind]}": probability})
    rows[0] |= {"review": True, "reason": "probability below 0.7"}
    rows.append({"file": "broken.png", "status": "broken", "cause": "not an image", "review": True, "path": "broken"})
    facts = PredictedFacts("new", ("outputs/run",), classes, None, ("to be reviewed: all",), ())
    table = folder / "new.parquet"
    write_predicted(table, pd.DataFrame(rows), facts)
    return table
