"""Measures of drawn pictures, compared with those recorded when the figures of docs/ and results/ were measured.

Where pictures are meant to change, raise the version of their source, and measure the figures again;
``python -m packages.cytogenetics.tests.synthesis.looks`` writes the table anew.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cytogenetics.config.sources import SyntheticChromosomesConfig, SyntheticMetaphasesConfig
from cytogenetics.metaphases.sources.synthetic_metaphases import draw_metaphase
from cytogenetics.synthesis.karyogram_composer import SheetLayout, compose
from cytogenetics.synthesis.metaphase import GROUND
from cytogenetics.synthesis.synthetic_chromosomes import draw_picture, labels_of
from datamodules.sources.synthetic_cells import draw_image
from karyocyte.config.sources import SyntheticConfig
from packages.cytogenetics.tests.synthesis.drawn import changed_in, derived_from, drawn_cells, of_sex

TABLE = Path(__file__).with_suffix(".csv")
# What other versions of NumPy, SciPy and OpenCV change: OpenCV 5 turns pictures a little otherwise than OpenCV 4.
COUNTS = {"height": 0, "width": 0, "body": 5, "dark": 3, "darkest": 2, "median": 2, "lightest": 2}
SHARE = 0.005  # of these, in addition
MEANS = {"cells": 0.05, "chromosomes": 0.05, "karyograms": 0.05, "metaphases": 0.2, "aberrations": 1.5}
SHEETS = (((640, 832), 1.0), ((320, 420), 0.5))
KINDS = ("gain", "sex_gain")
CELLS = SyntheticConfig(source="synthetic", positive_class="all", images=24, subjects=6, size=96)
CHROMOSOMES = SyntheticChromosomesConfig(source="synthetic_chromosomes", cells=4, cases=4)
METAPHASES = SyntheticMetaphasesConfig(source="synthetic_metaphases", cells=8, cases=8)


def cells() -> Iterator[np.ndarray]:
    """Blasts and normal cells by turns."""
    yield from (draw_image(CELLS, number) for number in range(CELLS.images))


def chromosomes() -> Iterator[np.ndarray]:
    """All of the cell of a man."""
    yield from (draw_picture(CHROMOSOMES, 1, number) for number in range(len(labels_of(CHROMOSOMES, 1))))


def metaphases() -> Iterator[np.ndarray]:
    """Whole pictures of metaphases."""
    yield from (draw_metaphase(METAPHASES, cell).pixels for cell in range(METAPHASES.cells))


def karyograms() -> Iterator[np.ndarray]:
    """Sheets of normal and of abnormal cells, as large as is usual and smaller."""
    for number, cell in enumerate((*drawn_cells(), *drawn_cells(abnormal=1.0))):
        size, scale = SHEETS[number % 2]
        yield compose(cell, SheetLayout(size, scale, labels=False)).pixels  # versions of OpenCV write otherwise


def aberrations() -> Iterator[np.ndarray]:
    """Chromosomes that are gained, by kind."""
    for kind in KINDS:
        for sex in ("XX", "XY"):
            derived = derived_from(of_sex(sex), kind)
            yield from (chromosome.pixels for chromosome in changed_in(of_sex(sex), derived))


SOURCES: dict[str, Callable[[], Iterator[np.ndarray]]] = {
    each.__name__: each for each in (cells, chromosomes, metaphases, karyograms, aberrations)
}


def changed_pictures(source: str) -> pd.DataFrame:
    """Return the measures of those pictures of a source that are not as in the table."""
    recorded = pd.read_csv(TABLE).query("source == @source").drop(columns="source").reset_index(drop=True)
    drawn = looks_of(source).drop(columns="source")
    assert len(drawn) == len(recorded)
    changed = np.zeros(len(drawn), bool)
    for name in drawn:
        difference = np.abs(drawn[name].to_numpy() - recorded[name].to_numpy())
        changed |= difference > (COUNTS[name] + SHARE * recorded[name].to_numpy() if name in COUNTS else MEANS[source])
    return drawn[changed]


def looks_of(source: str) -> pd.DataFrame:
    """Return a row of each picture of a source."""
    return pd.DataFrame([{"source": source, **_look(pixels)} for pixels in SOURCES[source]()])


def _look(pixels: np.ndarray) -> dict[str, Any]:
    """Return size, pixels beside the ground, dark ones, colours, where the dark lies, quantiles of gray, and grain."""
    red, _, blue = (pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)).astype(float).T
    gray = pixels.reshape(*pixels.shape[:2], -1).mean(axis=2)
    body = gray[(gray > 0) & (gray < GROUND)]
    y, x = (np.average(places, weights=256 - gray) for places in np.indices(gray.shape))
    look = {"height": gray.shape[0], "width": gray.shape[1], "body": body.size, "dark": (gray < 128).sum()}
    look |= {"red": red.mean(), "gray": gray.mean(), "blue": blue.mean(), "spread": gray.std(), "x": x, "y": y}
    look |= dict(zip(("darkest", "median", "lightest"), np.quantile(body, (0.02, 0.5, 0.98)), strict=True))
    look["grain"] = np.abs(np.diff(gray, 2)).mean()
    return {name: round(float(value), 3) for name, value in look.items()}


if __name__ == "__main__":
    pd.concat([looks_of(source) for source in SOURCES]).to_csv(TABLE, index=False)
