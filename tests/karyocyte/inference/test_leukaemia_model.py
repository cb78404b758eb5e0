"""The leukaemia model in models/: it tells genuine cells of patients from those of healthy persons."""

from sklearn.metrics import roc_auc_score

import karyocyte
from datamodules.io.decode import read_image
from karyocyte.common.paths import ROOT
from tests.helpers.real_data import real_data

CELLS = 10  # of each class
MODEL = ROOT / "models" / "leukaemia"


def test_cells_of_patients_get_higher_probabilities_than_those_of_healthy_persons():
    folder = real_data("cnmc_sample") / "C-NMC_training_data" / "fold_0"
    paths = [path for label in ("all", "hem") for path in sorted((folder / label).glob("*.bmp"))[:CELLS]]
    table = karyocyte.load(MODEL).predict([read_image(path) for path in paths])
    is_leukaemic = [path.parent.name == "all" for path in paths]
    assert roc_auc_score(is_leukaemic, table["prob_all"]) > 0.9
    assert table["review"].dtype == bool


def test_the_model_is_small_enough_for_a_repository():
    assert sum(path.stat().st_size for path in MODEL.iterdir()) < 24_000_000
