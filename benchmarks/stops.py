"""Counts the functions of evaluation/ that one `Predictions` passes through: distinct functions, and their files.

``PYTHONPATH=<checkout> python benchmarks/stops.py`` evaluates synthetic predictions by the code of that checkout: of
two classes, and of the chromosomes of cells. A stop is a function with an argument that is, or holds, predictions.
"""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

import numpy as np
import pandas as pd

from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import write_evaluation
from karyocyte.runs.predictions import Predictions

CELLS = 10
CELL = 46  # chromosomes
KINDS = ("Predictions", "LabelledPredictions")


def drawn(classes: Sequence[str], positive: str | None, in_cells: bool) -> Predictions:
    """Return predictions of ten subjects, half of them for validation."""
    images = CELLS * CELL
    truth = np.arange(images) % len(classes)
    names = np.char.add("image", np.arange(images).astype(str))
    frame = pd.DataFrame({"image_id": names, "path": names, "kind": None, "group": None, "width": 64, "height": 64})
    frame["label"] = np.array(classes)[truth]
    frame["subject"] = (np.arange(images) // CELL).astype(str)
    frame["cell"] = frame["subject"] if in_cells else None
    frame["part"] = ["validation"] * (images // 2) + ["test"] * (images // 2)
    frame["uncertainty"] = 0.5
    drawn_shares = np.random.default_rng(0).dirichlet(np.ones(len(classes)), images)
    shares = (drawn_shares + 3 * np.eye(len(classes))[truth]) / 4
    columns = pd.DataFrame(shares, columns=list(classes)).add_prefix("prob_")
    return Predictions(pd.concat([frame, columns], axis=1), tuple(classes), positive, {"name": "drawn", "fold": 0})


def holds(value: object, depth: int = 3) -> bool:
    """Tell whether a value is, or holds, predictions."""
    if type(value).__name__ in KINDS:
        return True
    held: Iterable[object] = ()
    if isinstance(value, (list, tuple)):
        held = value[:3]
    elif type(value).__module__.startswith("karyocyte.evaluation"):
        held = getattr(value, "__dict__", {}).values()
    return depth > 0 and any(holds(each, depth - 1) for each in held)


def main() -> None:
    """Print the number of functions and of files."""
    stops: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        """Keep a function of the evaluation that is called with such an object."""
        code = frame.f_code
        if event == "call" and "/karyocyte/evaluation/" in code.co_filename:
            given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if any(map(holds, map(frame.f_locals.get, given))):
                stops.add((code.co_filename, code.co_qualname))

    settings = EvaluationConfig.model_validate({"resamples": 20, "assignment": {"enabled": True}})
    for run in (drawn(["hem", "all"], "all", False), drawn(CHROMOSOMES, None, True)):
        with tempfile.TemporaryDirectory() as folder:
            sys.setprofile(note)
            write_evaluation(Path(folder), run, settings=settings)
            sys.setprofile(None)
    print(len(stops), len(dict(stops)))


if __name__ == "__main__":
    main()
