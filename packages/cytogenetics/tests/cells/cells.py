"""Metaphases with a known truth: 24-class predictions of single chromosomes, cell by cell."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from karyocyte.runs.predictions import Predictions
from tests.helpers.predictions import join, of_probabilities

CLASSES = (*map(str, range(1, 23)), "X", "Y")
AUTOSOMES = [number for number in range(22) for _ in range(2)]
X, Y = 22, 23


def karyotype(sex: str = "XX", extra: Sequence[str] = (), lost: Sequence[str] = ()) -> np.ndarray:
    """Return the classes of a cell's chromosomes as indices into CLASSES, int64, in order of the classes.

    ``karyotype("XY", extra=["21"])`` is 47,XY,+21 and ``karyotype("XX", lost=["X"])`` is 45,X.
    """
    labels = [*AUTOSOMES, *(X if letter == "X" else Y for letter in sex), *map(CLASSES.index, extra)]
    for name in lost:
        labels.remove(CLASSES.index(name))
    return np.sort(np.array(labels, dtype=np.int64))


def calibrated(labels: np.ndarray, rng: np.random.Generator, skill: float = 4.0) -> np.ndarray:
    """Draw the probabilities (n, 24) of a network that knows exactly how certain it is.

    Its features are Gaussian around one corner per class, at ``skill`` from the origin (3: 0.79 right, 4: 0.95,
    5: 0.99, about); the probabilities are the posterior under the shares that the classes have in normal cells.
    """
    share = np.array([2.0] * 22 + [1.5, 0.5]) / 46
    features = rng.normal(size=(len(labels), 24)) + skill * np.eye(24)[labels]
    logits = skill * features + np.log(share)
    logits -= logits.max(axis=1, keepdims=True)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def make_cells(
    karyotypes: Sequence[np.ndarray] | int = 10,
    skill: float = 4.0,
    cells_per_subject: int = 2,
    part: str = "test",
    first: int = 0,
    seed: int = 0,
    about: dict | None = None,
) -> Predictions:
    """Draw the predictions of cells; ``karyotypes`` are their true classes, or the number of normal cells.

    ``first`` numbers cells, and with them subjects and images, from there, so that parts and folds do not meet.
    """
    rng = np.random.default_rng(seed)
    if isinstance(karyotypes, int):
        karyotypes = [karyotype("XX" if number % 2 else "XY") for number in range(karyotypes)]
    cells = np.repeat(np.arange(len(karyotypes)), [len(labels) for labels in karyotypes]) + first
    labels = np.concatenate(karyotypes)
    probabilities = calibrated(labels, rng, skill)
    names = [f"chromosome_{cell:04d}_{number:06d}" for number, cell in enumerate(cells)]
    about = {"source": "chromosomes", **(about or {})}
    subjects = [f"case_{cell // cells_per_subject:04d}" for cell in cells]
    truth = np.array(CLASSES, dtype=object)[labels]
    drawn = of_probabilities(probabilities, truth, subjects, CLASSES, part, about=about)
    paths = [f"{name}.tiff" for name in names]
    places = {"cell": [f"cell_{cell:04d}" for cell in cells], "width": 30, "height": 60}
    return replace(drawn, frame=drawn.frame.assign(image_id=names, path=paths, **places))


def make_cell_run(fold: int = 0, cells: int = 10, skill: float = 4.0, seed: int = 0, **about: object) -> Predictions:
    """Draw validation and test cells of one fold, all normal; different folds share no test cell."""
    about = {"fold": fold, **about}
    test = make_cells(cells, skill, first=fold * cells, seed=1000 * seed + fold, about=about)
    validation = make_cells(cells, skill, part="validation", first=5000 + fold * cells, seed=500 + fold, about=about)
    return join(validation, test)
