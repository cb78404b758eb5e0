"""The embedded default of chromosomes and karyograms: synthetic chromosomes with human lengths and centromeres.

Figures measured on them say that the code works, and nothing of real cells.
"""

import math

import numpy as np

from cytogenetics.config.sources import DrawnCellsConfig, SyntheticChromosomesConfig
from cytogenetics.synthesis.chromosomes import ChromosomeTraits, draw_chromosome
from cytogenetics.synthesis.ideogram import IDEOGRAM
from datamodules.io.written_images import write_once
from datamodules.manifest.manifest import Manifest, manifest_frame, order_classes
from datamodules.sources import SourceContext, source
from karyocyte.common.files import sha256_of_value
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES

NOTE = "synthetic: procedurally generated chromosomes, no patients"
DRAWING_VERSION = 1  # raise it when the same settings would draw other pictures
# Sex chromosomes (None: those of a normal case) and a third autosome, in the order that abnormal cases get them.
_ABNORMAL = ((None, "21"), ("XXY", None), (None, "18"), ("X", None), (None, "13"), ("XYY", None), ("XXX", None))
_CASE_STREAM = 1
_CELL_STREAM = 2
_CHROMOSOME_STREAM = 3
# Pixels per million bases, and what the ends add: fitted by eye to cells of a real set.
_SCALE = 0.48
_ENDS = 4.0
_WIDTH = 19.0


@source(SyntheticChromosomesConfig)
def list_synthetic_chromosomes(data: SyntheticChromosomesConfig, context: SourceContext) -> Manifest:
    """Draw the chromosomes of these settings into ``<cache_dir>/synthetic-chromosomes-<hash>/``, once, and list them.

    The cells go round the cases. A ``UserError`` says that there are fewer, or that a positive class is given.
    """
    data.check()
    classes = order_classes(set(CHROMOSOMES), data.positive_class)
    facts = data.model_dump(include={"cells", "cases", "abnormal", "seed"}) | {"version": DRAWING_VERSION}
    folder = context.cache_dir / f"synthetic-chromosomes-{sha256_of_value(facts)[:8]}"
    rows = []
    places = []
    for number in range(data.cells):
        cell = cell_name(data, number)
        case = cell.partition(".")[0]
        for position, label in enumerate(labels_of(data, number)):
            image_id = f"{cell}_{position + 1:02d}_{label}"
            path = f"{label}/{image_id}.png"
            rows.append({"image_id": image_id, "path": path, "label": label, "subject": case, "cell": cell})
            places.append((number, position))

    frame = manifest_frame(rows)
    write_once(folder, frame["path"].tolist(), lambda row: draw_picture(data, *places[row]), context.progress)
    notes = (NOTE, f"{len(rows):,} chromosomes of {data.cells:,} cells and {data.cases:,} subjects")
    return Manifest(frame, folder, classes, None, data.source, notes, synthetic=True)


def cell_name(data: DrawnCellsConfig, cell: int) -> str:
    """Return the name of a cell, which begins with that of its case and a dot."""
    return f"case_{cell % data.cases + 1:03d}.{cell // data.cases + 1}"


def labels_of(data: DrawnCellsConfig, cell: int) -> tuple[str, ...]:
    """Return the classes of a cell's chromosomes in the order of the classes; all cells of a case have the same.

    A share of ``data.abnormal`` of the cases, rounded up and spread evenly, has a numerical abnormality, by turns. Of
    two cases in a row one is XX and one XY, where the abnormality leaves it open: no class is empty.
    """
    case = cell % data.cases
    pair = np.random.default_rng([data.seed, _CASE_STREAM, case // 2])
    swapped = case >= 2 and pair.integers(2) == 1
    sex = ("XX", "XY")[(case % 2) ^ int(swapped)]
    extra = None
    abnormal = math.ceil(round(data.abnormal * data.cases, 6))
    before = case * abnormal // data.cases
    after = (case + 1) * abnormal // data.cases
    if after > before:
        found, extra = _ABNORMAL[before % len(_ABNORMAL)]
        sex = found or sex
    autosomes = [name for name in AUTOSOMES for _ in range(3 if name == extra else 2)]
    return (*autosomes, *sex)


def draw_picture(data: DrawnCellsConfig, cell: int, number: int) -> np.ndarray:
    """Draw chromosome ``number`` of a cell, see ``draw_chromosome``: a function of settings and the two numbers."""
    rng = np.random.default_rng([data.seed, _CHROMOSOME_STREAM, cell, number])
    return draw_chromosome(traits_of(data, cell, labels_of(data, cell)[number], rng), rng)


def traits_of(data: DrawnCellsConfig, cell: int, label: str, rng: np.random.Generator) -> ChromosomeTraits:
    """Draw the traits of a chromosome: contraction, focus, stain and light are its cell's, the rest is its own."""
    of_cell = np.random.default_rng([data.seed, _CELL_STREAM, cell])
    contraction, stoutness, focus, stain, light, texture = of_cell.normal(size=6)
    bendiness = of_cell.gamma(2.5, 0.5)
    splay = of_cell.beta(1.2, 4.5)
    groove = of_cell.uniform(0.1, 0.45)
    smear = of_cell.uniform(0.9, 1.7)
    length = (_SCALE * IDEOGRAM[label].length_mb + _ENDS) * math.exp(0.1 * contraction + rng.normal(0.0, 0.03))
    # A contracted chromosome is short and stout; the small ones are a little narrower.
    width = _WIDTH * math.exp(0.1 * stoutness - 0.07 * contraction + rng.normal(0.0, 0.03))
    width *= 0.84 + 0.16 * min(length / 50.0, 1.0)
    slender = (length / width / 4.0) ** 0.7  # what is long for its width bends
    knee = IDEOGRAM[label].short_arm if rng.uniform() < 0.6 else rng.uniform(0.25, 0.75)
    kinked = rng.uniform() < 0.16 * bendiness * min(slender, 1.3)
    return ChromosomeTraits(
        label=label,
        length=length,
        width=width,
        bow=rng.normal(0.0, 0.3) * bendiness * slender,
        kink=rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 1.4) if kinked else 0.0,
        knee=knee,
        tilt=rng.normal(0.0, 0.06),
        waist=float(np.clip(rng.normal(0.33, 0.07), 0.1, 0.5)),
        splay=float(np.clip(splay * rng.uniform(0.3, 1.7), 0.0, 1.0)),
        groove=groove,
        stain=float(np.clip(1.02 + 0.07 * stain + rng.normal(0.0, 0.03), 0.8, 1.2)),
        smear=smear,
        grain=float(np.clip(0.095 + 0.025 * texture, 0.04, 0.15)),
        blur=float(np.clip(0.9 + 0.22 * focus, 0.55, 1.5)),
        light=float(np.clip(0.97 + 0.03 * light, 0.88, 1.03)),
    )
