"""C-NMC as the challenge gave it out."""

import shutil

import pytest

from common.config.schema import SplitConfig
from common.errors import UserError
from datamodules.manifest.splits import split
from datamodules.sources import list_images
from datamodules.sources.cnmc import PUBLISHED, CnmcConfig
from tests.helpers.images import cell_image, scan_cnmc, write_cnmc, write_image, write_prelim
from tests.helpers.real_data import real_data

PRELIM = [("UID_57_29_1_all.bmp", "1.bmp", 1), ("UID_H49_3_1_hem.bmp", "2.bmp", 0), ("UID_58_1_2_all.bmp", "3.bmp", 1)]


@pytest.fixture
def cnmc(tmp_path):
    return write_cnmc(tmp_path / "cnmc", subjects_per_fold=2, images=1)


def test_subjects_parts_and_labels_come_from_names_and_folders(cnmc, tmp_path):
    manifest = scan_cnmc(cnmc, tmp_path / "cache")
    assert manifest.classes == ("hem", "all")
    rows = manifest.frame.set_index("image_id")
    assert len(rows) == 12
    assert rows.loc["UID_h3_1_1_hem", ["subject", "label", "part"]].tolist() == ["H3", "hem", "fold_1"]
    assert rows.loc["UID_3_1_1_all", ["subject", "label", "part"]].tolist() == ["3", "all", "fold_1"]
    assert rows.loc["UID_3_1_1_all", "path"] == "C-NMC_training_data/fold_1/all/UID_3_1_1_all.bmp"
    assert rows["subject"].nunique() == 12


def test_the_same_images_are_found_from_every_level(cnmc, tmp_path):
    places = [cnmc.parent, cnmc, cnmc / "C-NMC_training_data"]
    ids = [set(scan_cnmc(place, tmp_path / "cache").frame["image_id"]) for place in places]
    assert ids[0] == ids[1] == ids[2]
    nested = write_cnmc(tmp_path / "tcia" / "PKG", subjects_per_fold=2, images=1, nested=True)
    assert set(scan_cnmc(nested.parent, tmp_path / "cache").frame["image_id"]) == ids[0]


def test_two_copies_of_the_set_are_refused(cnmc, tmp_path):
    shutil.copytree(cnmc, tmp_path / "copy")
    with pytest.raises(UserError, match="there twice.*set data_dir"):
        scan_cnmc(tmp_path, tmp_path / "cache")


def test_a_partial_set_is_stated(cnmc, tmp_path):
    (note,) = scan_cnmc(cnmc, tmp_path / "cache").notes
    assert note.startswith("partial: 12 of 10,661 training images (fold_0 2/2,397 ALL, fold_0 2/1,130 HEM, ")


def test_the_published_numbers_are_complete(cnmc, monkeypatch):
    monkeypatch.setattr(
        "datamodules.sources.cnmc.PUBLISHED", {f"fold_{n}": (2, 2) for n in range(3)} | {"prelim": (1, 1)}
    )
    listing = list_images(CnmcConfig(source="cnmc", positive_class="all"), str(cnmc), cnmc)
    assert listing.notes == ("complete: 12 training images",)
    assert sum(sum(pair) for name, pair in PUBLISHED.items() if name != "prelim") == 10_661
    assert sum(PUBLISHED[f"fold_{n}"][0] for n in range(3)) == 7_272
    assert sum(PUBLISHED["prelim"]) == 1_867


def test_the_preliminary_test_is_labelled_by_its_table(cnmc, tmp_path):
    write_prelim(cnmc, PRELIM, present=2)
    manifest = scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))
    rows = manifest.frame.set_index("image_id")
    assert rows.loc["prelim_1", ["label", "subject", "part"]].tolist() == ["all", "57", "prelim"]
    assert rows.loc["prelim_2", ["label", "subject", "part"]].tolist() == ["hem", "H49", "prelim"]
    assert manifest.notes[1].startswith("partial: 2 of 1,867 preliminary test images")


def test_a_label_that_contradicts_the_name_is_refused(cnmc, tmp_path):
    write_prelim(cnmc, [("UID_57_29_1_all.bmp", "1.bmp", 0)], present=1)
    with pytest.raises(UserError, match="1.bmp is labelled 0, but its Patient_ID is UID_57_29_1_all.bmp"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))


def test_a_preliminary_image_without_row_or_table_is_refused(cnmc, tmp_path):
    write_prelim(cnmc, PRELIM, present=3)
    write_image(cnmc / "C-NMC_test_prelim_phase_data" / "77.bmp", cell_image(77))
    with pytest.raises(UserError, match="77.bmp has no row"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))
    (cnmc / "C-NMC_test_prelim_phase_data_labels.csv").unlink()
    with pytest.raises(UserError, match="no table of the preliminary test's labels"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))


def test_the_final_test_has_no_labels(cnmc, tmp_path):
    write_image(cnmc / "C-NMC_test_final_phase_data" / "1.bmp", cell_image(1))
    row = scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "final")).frame.iloc[-1]
    assert (row["image_id"], row["label"], row["subject"], row["part"]) == ("final_1", None, None, "final")


def test_the_final_test_alone_can_be_read_and_nothing_be_learned_from_it(tmp_path):
    for number in (1, 2, 10):
        write_image(tmp_path / "C-NMC_test_final_phase_data" / f"{number}.bmp", cell_image(number))
    manifest = scan_cnmc(tmp_path, tmp_path / "cache", parts=("final",))
    assert manifest.frame["image_id"].tolist() == ["final_1", "final_2", "final_10"]
    assert manifest.frame["label"].tolist() == [None] * 3
    assert manifest.notes == ("partial: 3 of 2,586 final test images (final 3/2,586)",)
    with pytest.raises(UserError, match="no image has a label, so nothing can be learned"):
        split(manifest, "image", SplitConfig(), None)


def test_a_part_that_is_missing_is_named(cnmc, tmp_path):
    with pytest.raises(UserError, match="no folder C-NMC_test_prelim_phase_data"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))


def test_a_name_that_contradicts_its_folder_is_refused(cnmc, tmp_path):
    fold = cnmc / "C-NMC_training_data" / "fold_0"
    (fold / "all" / "UID_1_1_1_all.bmp").rename(fold / "hem" / "UID_1_1_1_all.bmp")
    with pytest.raises(UserError, match="the name says class all, the folder hem"):
        scan_cnmc(cnmc, tmp_path / "cache")


def test_a_name_of_another_form_is_refused(cnmc, tmp_path):
    write_image(cnmc / "C-NMC_training_data" / "fold_0" / "all" / "cell7.bmp", cell_image(7))
    with pytest.raises(UserError, match="cell7 is not of the form UID_"):
        scan_cnmc(cnmc, tmp_path / "cache")


def test_an_image_in_two_folds_is_refused(cnmc, tmp_path):
    training = cnmc / "C-NMC_training_data"
    shutil.copy(training / "fold_0/all/UID_1_1_1_all.bmp", training / "fold_1/all/UID_1_1_1_all.bmp")
    with pytest.raises(UserError, match="two images have the id UID_1_1_1_all"):
        scan_cnmc(cnmc, tmp_path / "cache")


def test_a_class_without_images_is_refused(cnmc, tmp_path):
    for fold in (cnmc / "C-NMC_training_data").iterdir():
        shutil.rmtree(fold / "hem")
    with pytest.raises(UserError, match="class hem has no image"):
        scan_cnmc(cnmc, tmp_path / "cache")


def test_the_real_sample(tmp_path):
    manifest = scan_cnmc(real_data("cnmc_sample"), tmp_path, parts=("training", "prelim"))
    training = manifest.frame[manifest.frame["part"] != "prelim"]
    assert len(training) == 95
    assert training["subject"].nunique() == 42
    assert training.groupby("subject")["part"].nunique().max() == 1
    assert manifest.frame["part"].value_counts()["prelim"] == 5
    assert set(manifest.frame["width"]) == {450}
