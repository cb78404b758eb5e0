"""The embedded default: synthetic blood cells that look like leukaemic blasts ("all") and normal cells ("hem").

Figures measured on them say that the code works, and nothing of patients.
"""

from functools import partial

import numpy as np

from datamodules.io.written_images import write_once
from datamodules.manifest.manifest import Manifest, manifest_frame, order_classes
from datamodules.sources import SourceContext, source
from datamodules.synthesis.cells import CellTraits, draw_cell
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.config.sources import SyntheticConfig

CLASSES = ("all", "hem")
NOTE = "synthetic: procedurally generated cells, not patients"
SYNTHETIC_VERSION = 2  # raise it when the same settings would draw other pictures
_AMBIGUOUS = 0.15  # share of cells whose appearance lies between the two classes
_SUBJECT_STREAM = 1
_IMAGE_STREAM = 2


@source(SyntheticConfig)
def list_synthetic(data: SyntheticConfig, context: SourceContext) -> Manifest:
    """Draw the images of these settings into ``<cache_dir>/synthetic-<hash>/``, once, and list them.

    Half of the subjects are "all", half "hem", with names as in C-NMC; the images go round the subjects.

    Raises:
        UserError: There are fewer images than subjects, or the positive class is not said.
    """
    if data.images < data.subjects:
        raise UserError(f"data.images={data.images} is less than data.subjects={data.subjects}: ask for more images")
    classes = order_classes(set(CLASSES), data.positive_class)
    facts = data.model_dump(include={"images", "subjects", "size", "seed"}) | data.former
    folder = context.cache_dir / f"synthetic-{sha256_of_value({**facts, 'version': SYNTHETIC_VERSION})[:8]}"
    rows = []
    for number in range(data.images):
        image, subject = divmod(number, data.subjects)
        label = CLASSES[subject % 2]
        name = f"{'H' if label == 'hem' else ''}{subject // 2 + 1}"
        image_id = f"UID_{name}_{image + 1}_1_{label}"
        path = f"{label}/{image_id}.png"
        rows.append({"image_id": image_id, "path": path, "label": label, "subject": name})
    frame = manifest_frame(rows)
    write_once(folder, frame["path"].tolist(), partial(draw_image, data), context.progress)
    return Manifest(frame, folder, classes, data.positive_class, data.source, (NOTE,), synthetic=True)


def draw_image(data: SyntheticConfig, number: int) -> np.ndarray:
    """Draw image ``number`` (0 to images - 1), uint8 RGB, shape (size, size, 3): a function of settings and number."""
    subject = number % data.subjects
    rng = np.random.default_rng([data.seed, _IMAGE_STREAM, number])
    of_subject = np.random.default_rng([data.seed, _SUBJECT_STREAM, subject])
    # How much a cell looks like a blast, 0 to 1; an ambiguous one is near the middle whatever its class.
    middle, spread = (0.06, 0.14) if rng.uniform() < _AMBIGUOUS else (0.33, 0.13)
    side = 1.0 if CLASSES[subject % 2] == "all" else -1.0
    blast = float(np.clip(0.5 + side * middle + rng.normal(0.0, spread), 0.0, 1.0))
    return draw_cell(_traits(blast, rng, of_subject), data.size, rng)


def _traits(blast: float, rng: np.random.Generator, of_subject: np.random.Generator) -> CellTraits:
    """Draw a cell's traits: each leans on its blastness, with a spread of its own and a shift of its subject."""
    size_shift, stain_shift, hue_shift, light_shift, blue_shift, texture_shift = of_subject.normal(size=6)

    def lean(normal: float, leukaemic: float, spread: float) -> float:
        """Draw a trait between its values in normal and in leukaemic cells."""
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
