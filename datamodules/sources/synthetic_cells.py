"""The embedded default: blood cells drawn by a program, so that everything runs with no data at hand.

They look like leukaemic blasts ("all") and normal cells ("hem") and are neither: figures measured on them say that
the code works, and nothing of patients.
"""

from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from filelock import FileLock
from pydantic import Field

from common.config.base import FROM_YAML, Probability
from common.config.data import SourceConfig
from common.errors import UserError
from common.files import sha256_of_value
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import whole_folder
from datamodules.manifest.manifest import Listing, Record, order_classes
from datamodules.sources._registry import SourceContext, source
from datamodules.synthesis.cells import CellTraits, draw_cell

CLASSES = ("all", "hem")
NOTE = "synthetic: procedurally drawn cells, not patients"
SYNTHETIC_VERSION = 2  # raise it when the same settings would draw other pictures
_SUBJECT_STREAM = 1
_IMAGE_STREAM = 2


class SyntheticConfig(SourceConfig, defaults="data/synthetic"):
    """Procedurally drawn blood cells: the embedded default."""

    source: Literal["synthetic"]
    images: Annotated[int, Field(ge=4)] = FROM_YAML
    subjects: Annotated[int, Field(ge=2)] = FROM_YAML
    size: Annotated[int, Field(ge=32)] = FROM_YAML
    ambiguous: Probability = FROM_YAML
    seed: Annotated[int, Field(ge=0)] = FROM_YAML


@source(SyntheticConfig, reads_data_dir=False)
def list_synthetic(data: SyntheticConfig, context: SourceContext) -> Listing:
    """Draw the images of these settings into ``<cache_dir>/synthetic-<hash>/``, unless they are there, and list them.

    Half of the subjects have the class "all", half "hem" (names as in C-NMC: an H marks a healthy subject); the
    images go round the subjects. A folder is whole or absent: it is drawn beside its place, under a lock, and renamed.

    Raises:
        UserError: There are fewer images than subjects, or the positive class is not said.
    """
    if data.images < data.subjects:
        raise UserError(f"data.images={data.images} is less than data.subjects={data.subjects}: ask for more images")
    classes = order_classes(set(CLASSES), data.positive_class)
    facts = data.model_dump(include={"images", "subjects", "size", "ambiguous", "seed"})
    folder = context.cache_dir / f"synthetic-{sha256_of_value({**facts, 'version': SYNTHETIC_VERSION})[:8]}"
    records = tuple(_record(data, number) for number in range(data.images))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not all((folder / record.path).is_file() for record in records):
            _draw_all(data, records, folder, context.progress)
    return Listing(records, folder, classes, data.positive_class, "synthetic", (NOTE,), synthetic=True)


def draw_image(data: SyntheticConfig, number: int) -> np.ndarray:
    """Draw image ``number`` (0 to images - 1): a pure function of the settings and the number.

    Returns:
        uint8 RGB, shape (size, size, 3), black outside the cell.
    """
    subject, _ = _subject(data, number)
    rng = np.random.default_rng([data.seed, _IMAGE_STREAM, number])
    of_subject = np.random.default_rng([data.seed, _SUBJECT_STREAM, subject])
    leukaemic = _is_leukaemic(subject)
    traits = _traits(_blastness(leukaemic, data.ambiguous, rng), rng, of_subject)
    return draw_cell(traits, data.size, rng)


def _blastness(leukaemic: bool, ambiguous: float, rng: np.random.Generator) -> float:
    """Return how much a cell looks like a blast, 0 to 1; an ambiguous one is near the middle whatever its class."""
    side = 1.0 if leukaemic else -1.0
    middle, spread = (0.06, 0.14) if rng.uniform() < ambiguous else (0.33, 0.13)
    return float(np.clip(0.5 + side * middle + rng.normal(0.0, spread), 0.0, 1.0))


def _traits(blast: float, rng: np.random.Generator, of_subject: np.random.Generator) -> CellTraits:
    """Draw a cell's traits: each leans on its blastness, with a spread of its own and a shift of its subject.

    Blasts: large, scanty cytoplasm, fine chromatin, irregular or cleft nucleus, nucleoli. Normal lymphocytes: smaller
    and rounder, clumped chromatin, more cytoplasm. Stain, light and part of the size are the subject's, whatever its
    class.
    """
    size_shift, stain_shift, hue_shift, light_shift, blue_shift, texture_shift = of_subject.normal(size=6)

    def lean(normal: float, leukaemic: float, spread: float) -> float:
        return normal + (leukaemic - normal) * blast + rng.normal(0.0, spread)

    return CellTraits(
        radius=float(np.clip(lean(0.335, 0.36, 0.018) + 0.028 * size_shift, 0.24, 0.42)),
        elongation=1.0 + abs(rng.normal(0.0, 0.13)),
        nucleus=float(np.clip(lean(0.76, 0.89, 0.035), 0.62, 0.95)),
        irregularity=float(np.clip(lean(0.014, 0.044, 0.008), 0.006, 0.08)),
        cleft=float(np.clip(lean(-0.12, 0.24, 0.13), 0.0, 0.5)),
        clumps=float(np.clip(lean(0.95, 0.22, 0.13) + 0.08 * texture_shift, 0.05, 1.2)),
        fineness=float(np.clip(lean(0.25, 0.75, 0.12) + 0.06 * texture_shift, 0.05, 1.0)),
        nucleoli=int(rng.poisson(max(lean(0.0, 2.0, 0.1), 0.02))),
        basophilia=float(np.clip(lean(0.6, 0.85, 0.1) + 0.18 * blue_shift, 0.35, 1.3)),
        stain=float(np.clip(0.92 + 0.16 * stain_shift + rng.normal(0.0, 0.05), 0.6, 1.35)),
        hue=float(np.clip(0.06 * hue_shift + rng.normal(0.0, 0.02), -0.15, 0.2)),
        light=float(np.clip(0.93 + 0.06 * light_shift + rng.normal(0.0, 0.02), 0.75, 1.05)),
        blur=rng.uniform(0.002, 0.006),
    )


def _is_leukaemic(subject: int) -> bool:
    return subject % 2 == 0


def _subject(data: SyntheticConfig, number: int) -> tuple[int, int]:
    """Return the subject's number of an image, and which of the subject's images it is."""
    return number % data.subjects, number // data.subjects


def _record(data: SyntheticConfig, number: int) -> Record:
    subject, image = _subject(data, number)
    leukaemic = _is_leukaemic(subject)
    name = f"{'' if leukaemic else 'H'}{subject // 2 + 1}"
    label = "all" if leukaemic else "hem"
    image_id = f"UID_{name}_{image + 1}_1_{label}"
    return Record(image_id, f"{label}/{image_id}.png", label, name)


def _draw_all(data: SyntheticConfig, records: tuple[Record, ...], folder: Path, progress: bool) -> None:
    with whole_folder(folder) as beside:
        for name in CLASSES:
            (beside / name).mkdir()

        def draw(number: int) -> None:
            path = beside / records[number].path
            if not cv2.imwrite(str(path), draw_image(data, number)[..., ::-1]):
                raise OSError(f"cannot write {path}")

        for _ in threaded(draw, range(data.images), data.images, f"drawing {data.images:,} cells", progress):
            pass
