"""What the folds of C-NMC share is counted, and gone once persons are apart."""

import shutil

import pandas as pd

from benchmarks.cnmc.folds import run
from tests.helpers.images import write_cnmc


def test_shared_files_and_persons_are_counted_before_and_after(tmp_path):
    folder = write_cnmc(tmp_path / "cnmc", subjects_per_fold=2, images=3)
    folds = folder / "C-NMC_training_data"
    shutil.copy(folds / "fold_0/all/UID_1_1_1_all.bmp", folds / "fold_2/all/UID_5_1_1_all.bmp")
    run(tmp_path / "tables", [f"data_dir={folder}", f"cache_dir={tmp_path / 'cache'}"])
    table = pd.read_csv(tmp_path / "tables" / "folds.csv").set_index(["folds", "fold"])
    before, after = table.loc["as published"], table.loc["persons apart"]
    assert before["images"].tolist() == [12, 12, 12]
    assert before["images of persons of other folds"].tolist() == [3, 0, 3]
    assert before["images also in other folds"].tolist() == [1, 0, 1]
    assert after["images"].tolist() == [14, 12, 9]
    assert after["persons"].tolist() == [4, 4, 3]
    assert (after.iloc[:, -2:] == 0).all(axis=None)
    files = pd.read_csv(tmp_path / "tables" / "identical_files.csv")
    assert files.to_dict("records") == [{"subjects": "1 5", "copies": "fold_0/UID_1_1_1_all = fold_2/UID_5_1_1_all"}]
