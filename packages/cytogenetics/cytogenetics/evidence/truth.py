"""Find errors of boxes by rule: ``python -m cytogenetics.evidence.truth LABELS`` writes results/metaphases/truth.csv.

LABELS is the folder of pictures with boxes (data=metaphases), with or without the pictures of the table that is there.
"""

import sys
from collections import Counter

import numpy as np
import pandas as pd

from cytogenetics.images.boxes import overlaps
from cytogenetics.karyotypes.naming import NORMAL_KARYOTYPES, name_karyotype
from datamodules.manifest.manifest import Manifest
from datamodules.sources import list_configured
from karyocyte.common.files import write_csv
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config

TRUTH = ROOT / "results" / "metaphases" / "truth.csv"
SAME_BOX = 0.9  # intersection over union of two boxes of one chromosome


def errors_of_boxes(manifest: Manifest) -> pd.DataFrame:
    """Return a row per picture: ``case``, ``cell``, ``kind`` as declared, the ``karyotype`` of its boxes, ``error``.

    A picture that is declared normal has an error where its boxes are not those of 46,XX or 46,XY; any picture where
    two boxes of different classes are on one chromosome.
    """
    rows = []
    for picture in manifest.frame.to_dict("records"):
        classes = picture["chromosomes"]
        iscn = name_karyotype(Counter(np.array(CHROMOSOMES)[classes].tolist())).iscn
        same = np.triu(overlaps(picture["boxes"], picture["boxes"]) >= SAME_BOX, 1)
        errors = []
        if picture["kind"] == "normal" and iscn not in NORMAL_KARYOTYPES:
            errors.append("not 46,XX or 46,XY")
        if (same & (classes[:, None] != classes)).any():
            errors.append("one box under two classes")
        facts = {"case": picture["subject"], "cell": picture["image_id"], "kind": picture["kind"]}
        rows.append(facts | {"karyotype": iscn, "error": "; ".join(errors) or None})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    write_csv(TRUTH, errors_of_boxes(list_configured(compose_config([f"data_dir={sys.argv[1]}"], "detector"))))
