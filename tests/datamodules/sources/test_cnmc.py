"""C-NMC as the challenge gave it out."""

import shutil

import pytest
from PIL import Image

from datamodules.sources.cnmc import PUBLISHED
from karyocyte.common.errors import UserError
from tests.helpers.images import cell_image, scan_cnmc, write_cnmc, write_image, write_prelim

ROWS = [("UID_57_29_1_all.bmp", "1.bmp", 1), ("UID_H49_3_1_hem.bmp", "2.bmp", 0), ("UID_58_1_2_all.bmp", "3.bmp", 1)]
BOTH = ("training", "prelim")
TRAINING, PRELIM = "C-NMC_training_data", "C-NMC_test_prelim_phase_data"


@pytest.fixture
def cnmc(tmp_path):
    return write_cnmc(tmp_path / "cnmc", subjects_per_fold=2, images=1)


def test_subjects_parts_and_labels_come_from_names_and_folders(cnmc, tmp_path):
    write_prelim(cnmc, ROWS, present=2)
    rows = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).frame.set_index("image_id")
    assert rows.loc["UID_H3_1_1_hem", ["subject", "label", "part"]].tolist() == ["H3", "hem", "fold_1"]
    assert rows.loc["UID_3_1_1_all", ["subject", "label", "part"]].tolist() == ["3", "all", "fold_1"]
    assert rows.loc["UID_3_1_1_all", "path"] == "C-NMC_training_data/fold_1/all/UID_3_1_1_all.bmp"
    # The preliminary test is labelled by its table.
    assert rows.loc["prelim_1", ["label", "subject", "part"]].tolist() == ["all", "57", "prelim"]
    assert rows.loc["prelim_2", ["label", "subject", "part"]].tolist() == ["hem", "H49", "prelim"]


def test_completeness_is_told_part_by_part(cnmc, tmp_path, monkeypatch):
    write_prelim(cnmc, ROWS, present=2)
    training, prelim, beside = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).notes
    assert training.startswith("partial: 12 of 10,661 training images; missing: 2,395 fold_0 ALL, 1,128 fold_0 HEM, ")
    assert prelim.startswith("partial: 2 of 1,867 preliminary test images; missing: 1,218 prelim ALL, 647 prelim HEM;")
    assert "the rest: doi.org/10.7937/" in prelim
    for name in PUBLISHED:
        monkeypatch.setitem(PUBLISHED, name, (1, 1) if name == "prelim" else (2, 2))
    notes = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).notes
    assert notes[:2] == ("complete: 12 training images", "complete: 2 preliminary test images")
    assert notes[2] == beside == "beside 14 images: 1 other file, not an image: 1 .csv"
    monkeypatch.setitem(PUBLISHED, "fold_2", (1, 3))
    assert scan_cnmc(cnmc, tmp_path / "cache").notes[0].startswith("not the published set")


def _of_the_archive(root):
    """Everything lies in folders of its own name once more, below that of the archive, beside the final test."""
    inner = root / "PKG - C-NMC 2019"
    for fold in range(3):
        shutil.copytree(root / TRAINING / f"fold_{fold}", inner / TRAINING / f"fold_{fold}" / f"fold_{fold}")
    shutil.copytree(root / PRELIM, inner / PRELIM / PRELIM)
    shutil.move(root / f"{PRELIM}_labels.csv", inner / PRELIM)
    _write_final(inner / "C-NMC_test_final_phase_data" / "C-NMC_test_final_phase_data")
    shutil.rmtree(root / TRAINING)
    shutil.rmtree(root / PRELIM)
    return root


def _of_kaggle(root):
    inner = root / "C-NMC_Leukemia"
    shutil.move(root / TRAINING, inner / "training_data")
    shutil.move(root / PRELIM, inner / "validation_data" / PRELIM)
    shutil.move(root / f"{PRELIM}_labels.csv", inner / "validation_data")
    _write_final(inner / "testing_data" / "C-NMC_test_final_phase_data")
    return inner


def _write_final(folder):
    """Its pictures have the same numbers as those of the preliminary test, and more."""
    for number in range(1, 6):
        write_image(folder / f"{number}.bmp", cell_image(7000 + number))


def _packed(root):
    return shutil.make_archive(str(root.parent / "packed"), "zip", root)


def _converted(suffix):
    def convert(root):
        for path in root.rglob("*.bmp"):
            Image.open(path).save(path.with_suffix(suffix))
            path.unlink()
        return root

    return convert


def _in_upper_case(root):
    for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(path.name.upper()))
    return root


def _beside_runs(root):
    (root / "runs" / "fold_0" / "checkpoints").mkdir(parents=True)
    return root


def _in_a_spreadsheet(separator, quote=""):
    def save(root):
        table = root / f"{PRELIM}_labels.csv"
        lines = table.read_text().replace("Patient_ID", "PATIENT_ID").splitlines()
        rows = [separator.join(f"{quote}{value}{quote}" for value in line.split(",")) for line in lines]
        table.write_text("\n".join(rows))
        return root

    return save


LAYOUTS = {
    "archive": _of_the_archive,
    "kaggle": _of_kaggle,
    "zip": _packed,
    "zip of the archive": lambda root: _packed(_of_the_archive(root)),
    "zip of kaggle": lambda root: _packed(_of_kaggle(root).parent),
    **{suffix: _converted(suffix) for suffix in (".png", ".webp", ".jpg", ".PNG")},
    "upper case": _in_upper_case,
    "semicolons": _in_a_spreadsheet(";"),
    "tabs": _in_a_spreadsheet("\t"),
    "quotes": _in_a_spreadsheet(";", '"'),
    "above kaggle": lambda root: _of_kaggle(root).parent,
    "runs beside it": _beside_runs,  # whose folders of folds hold no classes
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_manifest(cnmc, tmp_path, layout):
    write_prelim(cnmc, ROWS, present=3)
    columns = ["image_id", "label", "subject", "part"]
    known = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)
    frame = known.frame[columns].copy()
    found = scan_cnmc(LAYOUTS[layout](cnmc), tmp_path / "cache", parts=BOTH)
    assert found.frame[columns].equals(frame)
    assert found.notes[:2] == known.notes[:2]
    assert len(frame) == 15


def test_the_preliminary_test_beside_the_final_one_is_the_one_called_so(cnmc, tmp_path):
    """A part of the final test has no number that the table lacks, and never gets the labels of the other."""
    write_prelim(cnmc, ROWS, present=3)
    final = cnmc / "C-NMC_test_final_phase_data"
    write_image(final / "1.bmp", cell_image(1))
    frame = scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).frame
    assert not frame["path"].str.contains("final").any()
    final.rename(cnmc / "prelim_too")
    with pytest.raises(UserError, match="move one of the two away"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)
    (cnmc / "prelim_too").rename(final)
    shutil.rmtree(cnmc / PRELIM)
    with pytest.raises(UserError, match="no folder .* holds pictures"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)


def test_zips_of_folds_are_named_where_they_lie(cnmc, tmp_path):
    shutil.make_archive(str(cnmc / TRAINING / "fold_0"), "zip", cnmc / TRAINING, "fold_0")
    for fold in range(3):
        shutil.rmtree(cnmc / TRAINING / f"fold_{fold}")
    with pytest.raises(UserError, match=rf"data_dir=.*{TRAINING}/fold_0.zip reads the archive") as refusal:
        scan_cnmc(cnmc, tmp_path / "cache")
    archive = str(refusal.value).partition("data_dir=")[2].split()[0]
    assert len(scan_cnmc(archive, tmp_path / "cache").frame) == 4


def test_two_tables_of_labels_must_agree(cnmc, tmp_path):
    write_prelim(cnmc, ROWS, present=3)
    table = cnmc / f"{PRELIM}_labels.csv"
    copy = cnmc / "copy.csv"
    shutil.copy(table, copy)
    assert len(scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH).frame) == 15
    copy.write_text(table.read_text().replace("UID_57_29_1_all.bmp,1.bmp,1", "UID_H57_29_1_hem.bmp,1.bmp,0"))
    with pytest.raises(UserError, match="differ"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)


def _move_a_blast(root, place):
    fold = root / TRAINING / "fold_0"
    (fold / "all" / "UID_1_1_1_all.bmp").rename(fold / place / "UID_1_1_1_all.bmp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.copytree(root, root / "copy"), "there twice.*set data_dir"),
        (lambda root: shutil.copytree(root / TRAINING, root / TRAINING / "copy"), "there twice.*set data_dir"),
        (lambda root: _move_a_blast(root, "hem"), "the name says class all, the folder hem"),
        (lambda root: _move_a_blast(root, ""), "UID_1_1_1_all.bmp: lies in no folder all or hem"),
        (lambda root: write_image(root / TRAINING / "fold_0/all/cell7.bmp", cell_image(7)), "cell7 is not of the form"),
    ],
)
def test_a_wrong_training_set_is_refused(cnmc, tmp_path, change, message):
    change(cnmc)
    with pytest.raises(UserError, match=message):
        scan_cnmc(cnmc, tmp_path / "cache")


def test_a_wrong_preliminary_test_is_refused(cnmc, tmp_path):
    for rows, present, message in (
        (ROWS, 0, "holds pictures that .* names, such as 1.bmp"),
        ([("UID_57_29_1_all.bmp", "1.bmp", 0)], 1, "1.bmp is labelled 0, but its Patient_ID is UID_57_29_1_all.bmp"),
        (ROWS[:1], 1, "77.bmp has no row"),
    ):
        write_prelim(cnmc, rows, present)
        if rows == ROWS[:1] and present:
            write_image(cnmc / PRELIM / "77.bmp", cell_image(77))
        with pytest.raises(UserError, match=message):
            scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)
    (cnmc / f"{PRELIM}_labels.csv").unlink()
    with pytest.raises(UserError, match="no table of the preliminary test's labels"):
        scan_cnmc(cnmc, tmp_path / "cache", parts=BOTH)
