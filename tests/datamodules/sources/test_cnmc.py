"""C-NMC as the challenge gave it out."""

import shutil

import pytest

from common.errors import UserError
from datamodules.sources.cnmc import PRELIM, PUBLISHED, TRAINING
from tests.helpers.images import cell_image, scan_cnmc, write_cnmc, write_image, write_prelim
from tests.helpers.real_data import real_data

ROWS = [("UID_57_29_1_all.bmp", "1.bmp", 1), ("UID_H49_3_1_hem.bmp", "2.bmp", 0), ("UID_58_1_2_all.bmp", "3.bmp", 1)]
BOTH = ("training", "prelim")


@pytest.fixture
def cnmc(tmp_path):
    return write_cnmc(tmp_path / "cnmc", subjects_per_fold=2, images=1)


def test_subjects_parts_and_labels_come_from_names_and_folders(cnmc, tmp_path):
    rows = scan_cnmc(cnmc, tmp_path / "cache").frame.set_index("image_id")
    assert rows.loc["UID_h3_1_1_hem", ["subject", "label", "part"]].tolist() == ["H3", "hem", "fold_1"]
    assert rows.loc["UID_3_1_1_all", ["subject", "label", "part"]].tolist() == ["3", "all", "fold_1"]
    assert rows.loc["UID_3_1_1_all", "path"] == "C-NMC_training_data/fold_1/all/UID_3_1_1_all.bmp"


def test_completeness_is_told_part_by_part(cnmc, tmp_path, monkeypatch):
    write_prelim(cnmc, ROWS, present=2)
    training, prelim = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).notes
    assert training.startswith("partial: 12 of 10,661 training images (fold_0 2/2,397 ALL, fold_0 2/1,130 HEM, ")
    assert prelim == "partial: 2 of 1,867 preliminary test images (prelim 1/1,219 ALL, prelim 1/648 HEM)"
    for name in PUBLISHED:
        monkeypatch.setitem(PUBLISHED, name, (1, 1) if name == "prelim" else (2, 2))
    notes = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).notes
    assert notes == ("complete: 12 training images", "complete: 2 preliminary test images")
    monkeypatch.setitem(PUBLISHED, "fold_2", (1, 3))
    assert scan_cnmc(cnmc, tmp_path / "cache").notes[0].startswith("not the published set: 12 of 12 training")


def test_the_preliminary_test_is_labelled_by_its_table(cnmc, tmp_path):
    write_prelim(cnmc, ROWS, present=2)
    rows = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).frame.set_index("image_id")
    assert rows.loc["prelim_1", ["label", "subject", "part"]].tolist() == ["all", "57", "prelim"]
    assert rows.loc["prelim_2", ["label", "subject", "part"]].tolist() == ["hem", "H49", "prelim"]


def _copy_set(root):
    shutil.copytree(root, root / "copy")


def _move_to_other_class(root):
    fold = root / TRAINING / "fold_0"
    (fold / "all" / "UID_1_1_1_all.bmp").rename(fold / "hem" / "UID_1_1_1_all.bmp")


def _move_out_of_class(root):
    fold = root / TRAINING / "fold_0"
    (fold / "all" / "UID_1_1_1_all.bmp").rename(fold / "UID_1_1_1_all.bmp")


def _copy_to_other_fold(root):
    shutil.copy(root / TRAINING / "fold_0/all/UID_1_1_1_all.bmp", root / TRAINING / "fold_1/all/UID_1_1_1_all.bmp")


def _remove_class(root):
    for fold in (root / TRAINING).iterdir():
        shutil.rmtree(fold / "hem")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_copy_set, "there twice.*set data_dir"),
        (_move_to_other_class, "the name says class all, the folder hem"),
        (_move_out_of_class, "UID_1_1_1_all.bmp: lies in no folder all or hem"),
        (_copy_to_other_fold, "two images have the id UID_1_1_1_all"),
        (_remove_class, "class hem has no image"),
        (lambda root: write_image(root / TRAINING / "fold_0/all/cell7.bmp", cell_image(7)), "cell7 is not of the form"),
    ],
)
def test_a_wrong_training_set_is_refused(cnmc, tmp_path, change, message):
    change(cnmc)
    with pytest.raises(UserError, match=message):
        scan_cnmc(cnmc, tmp_path / "cache")


def test_a_wrong_preliminary_test_is_refused(cnmc, tmp_path):
    for rows, present, message in (
        ([], 0, f"no folder {PRELIM}"),
        ([("UID_57_29_1_all.bmp", "1.bmp", 0)], 1, "1.bmp is labelled 0, but its Patient_ID is UID_57_29_1_all.bmp"),
        (ROWS[:1], 1, "77.bmp has no row"),
    ):
        write_prelim(cnmc, rows, present)
        if rows == ROWS[:1]:
            write_image(cnmc / PRELIM / "77.bmp", cell_image(77))
        with pytest.raises(UserError, match=message):
            scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)
    (cnmc / f"{PRELIM}_labels.csv").unlink()
    with pytest.raises(UserError, match="no table of the preliminary test's labels"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)


def test_the_real_sample(tmp_path):
    frame = scan_cnmc(real_data("cnmc_sample"), tmp_path, parts=BOTH).frame
    training = frame[frame["part"] != "prelim"]
    assert (len(training), len(frame), training["subject"].nunique()) == (95, 100, 42)
    assert training.groupby("subject")["part"].nunique().max() == 1
    assert set(frame["width"]) == {450}
