"""Single chromosomes, cut out of the pictures of metaphases at their boxes, as a set that a classifier trains on."""

from pathlib import Path

import numpy as np
import pandas as pd

from cytogenetics.config.networks import MetaphaseConfig
from cytogenetics.metaphases.data.cut_out import cut_out_by, network_picture
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.metaphases.networks.cutter import Cutter
from cytogenetics.metaphases.networks.trained import load
from cytogenetics.metaphases.sources.metaphase_boxes import UNKNOWN
from cytogenetics.trained.pictures import BUILT_IN_CUTTER
from datamodules.export import LABELS
from datamodules.io.decode import encode_png, read_image
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.runs.arguments import new_folder


def export_cut_outs(config: MetaphaseConfig, folder: Path, progress: bool) -> int:
    """Cut the chromosomes of known class out of all pictures but those of the test part, and write them.

    The cutter of models/ cuts them out, as it does where karyotypes are named. They become
    ``<case>/<picture>/<number>.png``, with labels.csv: the layout of ``data=chromosomes``. Pictures of unknown case
    are a case of their own.

    Returns:
        The number of chromosomes.

    Raises:
        UserError: The folder exists, or no chromosome has a class.
    """
    new_folder(folder, "--export")
    data = MetaphaseDataModule(config)
    cutter = load(BUILT_IN_CUTTER, Cutter)
    frame = data.manifest.frame
    chosen = np.flatnonzero(data.parts.isin(["train", "validation"]))
    rows: list[tuple[str, str, str, str]] = []
    with (
        new_whole_folder(folder, of_data=True) as beside,
        progress_bar(len(chosen), f"cutting chromosomes out of {len(chosen):,} pictures", progress) as advance,
    ):
        for row in chosen.tolist():
            name, subject, boxes, labels = frame[["image_id", "subject", "boxes", "chromosomes"]].iloc[row]
            case = subject if isinstance(subject, str) else name
            picture = network_picture(read_image(data.manifest.file(row)), 1.0)
            cuts = cut_out_by(cutter.probabilities, picture, boxes)
            (beside / case / name).mkdir(parents=True)
            for number, (cut, label) in enumerate(zip(cuts, labels, strict=True), start=1):
                if label != UNKNOWN and cut.mask.any():
                    path = f"{case}/{name}/{number:02}.png"
                    (beside / path).write_bytes(encode_png(cut.pixels))
                    rows.append((path, case, name, CHROMOSOMES[label]))
            advance()
        if not rows:
            raise UserError("no box of these pictures has a class: only chromosomes of known class can be trained on")
        write_csv(beside / LABELS, pd.DataFrame(rows, columns=["path", "case_id", "cell_id", "class"]))
    return len(rows)
