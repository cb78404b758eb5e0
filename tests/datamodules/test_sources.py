"""The sources find what is on disk, and say what is wrong with it."""

import shutil

import pytest

from common.errors import UserError
from common.schema import CnmcConfig, FolderConfig, TableConfig
from datamodules.sources import list_images, scan
from datamodules.sources.cnmc import PUBLISHED
from tests.helpers.images import (
    cell_image,
    scan_cnmc,
    scan_folder,
    write_class_folders,
    write_cnmc,
    write_image,
    write_prelim,
    write_table,
)
from tests.helpers.real_data import real_data

CONFIGS = [
    CnmcConfig(source="cnmc", positive_class="all"),
    FolderConfig(source="folder"),
    TableConfig(source="table"),
]
PRELIM = [("UID_57_29_1_all.bmp", "1.bmp", 1), ("UID_H49_3_1_hem.bmp", "2.bmp", 0), ("UID_58_1_2_all.bmp", "3.bmp", 1)]


@pytest.fixture
def cnmc(tmp_path):
    return write_cnmc(tmp_path / "cnmc", subjects_per_fold=2, images=1)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.source)
def test_a_data_folder_that_is_not_there_says_what_to_set(tmp_path, config):
    (tmp_path / "empty").mkdir()
    for place in (None, str(tmp_path / "none"), str(tmp_path / "empty")):
        with pytest.raises(UserError, match=r"data_dir=.*KARYOCYTE_DATA_DIR.*\+profile=demo"):
            scan(config, place, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.source)
def test_archives_are_named_where_they_are_not_unpacked(tmp_path, config):
    (tmp_path / "cnmc_sample.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"unpack cnmc_sample.zip first"):
        scan(config, str(tmp_path), tmp_path / "cache")


class TestCnmc:
    def test_subjects_parts_and_labels_come_from_names_and_folders(self, cnmc, tmp_path):
        manifest = scan_cnmc(cnmc, tmp_path / "cache")
        assert manifest.classes == ("hem", "all")
        rows = manifest.frame.set_index("image_id")
        assert len(rows) == 12
        assert rows.loc["UID_h3_1_1_hem", ["subject", "label", "part"]].tolist() == ["H3", "hem", "fold_1"]
        assert rows.loc["UID_3_1_1_all", ["subject", "label", "part"]].tolist() == ["3", "all", "fold_1"]
        assert rows.loc["UID_3_1_1_all", "path"] == "C-NMC_training_data/fold_1/all/UID_3_1_1_all.bmp"
        assert rows["subject"].nunique() == 12

    def test_the_same_images_are_found_from_every_level(self, cnmc, tmp_path):
        places = [cnmc.parent, cnmc, cnmc / "C-NMC_training_data"]
        ids = [set(scan_cnmc(place, tmp_path / "cache").frame["image_id"]) for place in places]
        assert ids[0] == ids[1] == ids[2]
        nested = write_cnmc(tmp_path / "tcia" / "PKG", subjects_per_fold=2, images=1, nested=True)
        assert set(scan_cnmc(nested.parent, tmp_path / "cache").frame["image_id"]) == ids[0]

    def test_two_copies_of_the_set_are_refused(self, cnmc, tmp_path):
        shutil.copytree(cnmc, tmp_path / "copy")
        with pytest.raises(UserError, match="there twice.*set data_dir"):
            scan_cnmc(tmp_path, tmp_path / "cache")

    def test_a_partial_set_is_stated(self, cnmc, tmp_path):
        (note,) = scan_cnmc(cnmc, tmp_path / "cache").notes
        assert note.startswith("partial: 12 of 10,661 training images (fold_0 2/2,397 ALL, fold_0 2/1,130 HEM, ")

    def test_the_published_numbers_are_complete(self, cnmc, monkeypatch):
        monkeypatch.setattr(
            "datamodules.sources.cnmc.PUBLISHED", {f"fold_{n}": (2, 2) for n in range(3)} | {"prelim": (1, 1)}
        )
        listing = list_images(CONFIGS[0], str(cnmc), cnmc)
        assert listing.notes == ("complete: 12 training images",)
        assert sum(sum(pair) for name, pair in PUBLISHED.items() if name != "prelim") == 10_661
        assert sum(PUBLISHED[f"fold_{n}"][0] for n in range(3)) == 7_272
        assert sum(PUBLISHED["prelim"]) == 1_867

    def test_the_preliminary_test_is_labelled_by_its_table(self, cnmc, tmp_path):
        write_prelim(cnmc, PRELIM, present=2)
        manifest = scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))
        rows = manifest.frame.set_index("image_id")
        assert rows.loc["prelim_1", ["label", "subject", "part"]].tolist() == ["all", "57", "prelim"]
        assert rows.loc["prelim_2", ["label", "subject", "part"]].tolist() == ["hem", "H49", "prelim"]
        assert manifest.notes[1].startswith("partial: 2 of 1,867 preliminary test images")

    def test_a_label_that_contradicts_the_name_is_refused(self, cnmc, tmp_path):
        write_prelim(cnmc, [("UID_57_29_1_all.bmp", "1.bmp", 0)], present=1)
        with pytest.raises(UserError, match="1.bmp is labelled 0, but its Patient_ID is UID_57_29_1_all.bmp"):
            scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))

    def test_a_preliminary_image_without_row_or_table_is_refused(self, cnmc, tmp_path):
        write_prelim(cnmc, PRELIM, present=3)
        write_image(cnmc / "C-NMC_test_prelim_phase_data" / "77.bmp", cell_image(77))
        with pytest.raises(UserError, match="77.bmp has no row"):
            scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))
        (cnmc / "C-NMC_test_prelim_phase_data_labels.csv").unlink()
        with pytest.raises(UserError, match="no table of the preliminary test's labels"):
            scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))

    def test_the_final_test_has_no_labels(self, cnmc, tmp_path):
        write_image(cnmc / "C-NMC_test_final_phase_data" / "1.bmp", cell_image(1))
        row = scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "final")).frame.iloc[-1]
        assert (row["image_id"], row["label"], row["subject"], row["part"]) == ("final_1", None, None, "final")

    def test_a_part_that_is_missing_is_named(self, cnmc, tmp_path):
        with pytest.raises(UserError, match="no folder C-NMC_test_prelim_phase_data"):
            scan_cnmc(cnmc, tmp_path / "cache", parts=("training", "prelim"))

    def test_a_name_that_contradicts_its_folder_is_refused(self, cnmc, tmp_path):
        fold = cnmc / "C-NMC_training_data" / "fold_0"
        (fold / "all" / "UID_1_1_1_all.bmp").rename(fold / "hem" / "UID_1_1_1_all.bmp")
        with pytest.raises(UserError, match="the name says class all, the folder hem"):
            scan_cnmc(cnmc, tmp_path / "cache")

    def test_a_name_of_another_form_is_refused(self, cnmc, tmp_path):
        write_image(cnmc / "C-NMC_training_data" / "fold_0" / "all" / "cell7.bmp", cell_image(7))
        with pytest.raises(UserError, match="cell7 is not of the form UID_"):
            scan_cnmc(cnmc, tmp_path / "cache")

    def test_an_image_in_two_folds_is_refused(self, cnmc, tmp_path):
        training = cnmc / "C-NMC_training_data"
        shutil.copy(training / "fold_0/all/UID_1_1_1_all.bmp", training / "fold_1/all/UID_1_1_1_all.bmp")
        with pytest.raises(UserError, match="two images have the id UID_1_1_1_all"):
            scan_cnmc(cnmc, tmp_path / "cache")

    def test_a_class_without_images_is_refused(self, cnmc, tmp_path):
        for fold in (cnmc / "C-NMC_training_data").iterdir():
            shutil.rmtree(fold / "hem")
        with pytest.raises(UserError, match="class hem has no image"):
            scan_cnmc(cnmc, tmp_path / "cache")

    def test_the_real_sample(self, tmp_path):
        manifest = scan_cnmc(real_data("cnmc_sample"), tmp_path, parts=("training", "prelim"))
        training = manifest.frame[manifest.frame["part"] != "prelim"]
        assert len(training) == 95
        assert training["subject"].nunique() == 42
        assert training.groupby("subject")["part"].nunique().max() == 1
        assert manifest.frame["part"].value_counts()["prelim"] == 5
        assert set(manifest.frame["width"]) == {450}


class TestFolder:
    def test_files_are_found_at_any_depth_and_litter_is_passed_over(self, tmp_path):
        root = write_class_folders(tmp_path / "data", {"b": 2, "a": 2, "c": 1})
        write_image(root / "a" / "deep" / "deeper" / "x.TIF", cell_image(50))
        for name in ("a/._s0_0.png", "a/.DS_Store", "a/notes.txt", "__MACOSX/a/y.png", ".cache/z.png"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"litter")
        write_image(root / "overview.png", cell_image(51))
        manifest = scan_folder(root, tmp_path / "cache")
        assert manifest.classes == ("a", "b", "c")
        assert manifest.frame["label"].value_counts().to_dict() == {"a": 3, "b": 2, "c": 1}
        assert "a/deep/deeper/x.TIF" in set(manifest.frame["path"])
        assert manifest.notes == ("1 images beside the class folders of data left out",)

    def test_the_subject_is_read_from_the_name(self, tmp_path):
        root = write_class_folders(tmp_path / "data", {"a": 3, "b": 3})
        for expression in (r"^s(?P<subject>\d+)_", r"^s(\d+)_"):
            frame = scan_folder(root, tmp_path / "cache", subject_regex=expression).frame
            assert frame["subject"].tolist() == ["0", "0", "1", "100", "100", "101"]

    @pytest.mark.parametrize(
        ("expression", "message"), [(r"^p(\d+)", "no subject found"), ("s", "no group"), ("(", "no regular expression")]
    )
    def test_a_wrong_expression_is_refused(self, tmp_path, expression, message):
        root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1})
        with pytest.raises(UserError, match=message):
            scan_folder(root, tmp_path / "cache", subject_regex=expression)

    def test_classes_pick_and_order(self, tmp_path):
        root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1, "c": 1, "d": 1})
        manifest = scan_folder(root, tmp_path / "cache", classes=("c", "a", "b"))
        assert manifest.classes == ("c", "a", "b")
        assert set(manifest.frame["label"]) == {"a", "b", "c"}
        assert scan_folder(root, tmp_path / "cache", classes=("c", "a"), positive_class="c").classes == ("a", "c")
        with pytest.raises(UserError, match="no folder e in .*; there are: a, b, c, d"):
            scan_folder(root, tmp_path / "cache", classes=("a", "e"))

    def test_a_class_without_images_is_refused(self, tmp_path):
        root = write_class_folders(tmp_path / "data", {"a": 1, "b": 1})
        (root / "c").mkdir()
        with pytest.raises(UserError, match="class c has no image"):
            scan_folder(root, tmp_path / "cache")

    def test_a_folder_without_class_folders_is_refused(self, tmp_path):
        write_image(tmp_path / "data" / "a.png", cell_image(1))
        with pytest.raises(UserError, match="no class folders"):
            scan(CONFIGS[1], str(tmp_path / "data"), tmp_path / "cache")


class TestTable:
    ROWS = [
        {"path": "x/1.png", "label": "01", "who": "p1", "part": "train"},
        {"path": "x/2.png", "label": "NA", "who": "", "part": "train"},
        {"path": "3.png", "label": "01", "who": "p2", "part": "test"},
        {"path": "4.png", "label": "", "who": "p2", "part": ""},
    ]
    CONFIG = TableConfig(source="table", positive_class="NA", subject_column="who", part_column="part")

    def test_rows_become_images(self, tmp_path):
        root = write_table(tmp_path / "data", self.ROWS)
        manifest = scan(self.CONFIG, str(root), tmp_path / "cache")
        assert manifest.classes == ("01", "NA")
        assert manifest.frame["label"].tolist() == ["01", "NA", "01", None]
        assert manifest.frame["subject"].tolist() == ["p1", None, "p2", "p2"]
        assert manifest.frame["part"].tolist() == ["train", "train", "test", None]
        assert manifest.frame["path"].tolist() == ["x/1.png", "x/2.png", "3.png", "4.png"]
        assert manifest.notes == ("1 rows of labels.csv have no label and are not used",)

    def test_paths_are_below_the_tables_folder_and_are_told_below_data_dir(self, tmp_path):
        write_table(tmp_path / "data" / "set", self.ROWS)
        config = self.CONFIG.model_copy(update={"file": "set/labels.csv"})
        manifest = scan(config, str(tmp_path / "data"), tmp_path / "cache")
        assert manifest.frame["path"].tolist()[0] == "set/x/1.png"
        assert manifest.file(0).is_file()
        absolute = self.CONFIG.model_copy(update={"file": str(tmp_path / "data" / "set" / "labels.csv")})
        assert scan(absolute, None, tmp_path / "cache").frame["path"].tolist()[0] == "x/1.png"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"path": "x/1.png"}, r"row 4: x/1.png stands in row 2 already"),
            ({"path": "x/../x/1.png"}, r"row 4: .* stands in row 2 already"),
            ({"path": ""}, r"row 4: the path is empty"),
            ({"path": "../outside.png"}, r"row 4: .*outside.png lies outside"),
        ],
    )
    def test_a_wrong_path_is_named_with_its_row(self, tmp_path, change, message):
        write_image(tmp_path / "outside.png", cell_image(1))
        root = write_table(tmp_path / "data", [*self.ROWS[:2], {**self.ROWS[2], **change}])
        with pytest.raises(UserError, match=message):
            scan(self.CONFIG, str(root), tmp_path / "cache")

    def test_a_missing_file_is_named_with_its_row_whatever_blank_lines_there_are(self, tmp_path):
        root = write_table(tmp_path / "data", self.ROWS)
        table = root / "labels.csv"
        lines = table.read_text().splitlines()
        table.write_text("\n".join([*lines[:2], "", *lines[2:], "", ""]))
        assert len(scan(self.CONFIG, str(root), tmp_path / "cache").frame) == 4
        (root / "3.png").unlink()
        with pytest.raises(UserError, match=r"labels.csv, row 5: no file .*3.png"):
            scan(self.CONFIG, str(root), tmp_path / "cache")

    def test_a_missing_column_is_named_with_the_columns_there_are(self, tmp_path):
        root = write_table(tmp_path / "data", self.ROWS)
        config = self.CONFIG.model_copy(update={"subject_column": "patient"})
        with pytest.raises(UserError, match="no column patient: set data.subject_column to one of path, label, who"):
            scan(config, str(root), tmp_path / "cache")

    def test_a_missing_or_empty_table_is_named(self, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "other.txt").write_text("x")
        with pytest.raises(UserError, match="no table .*labels.csv: set data.file"):
            scan(self.CONFIG, str(tmp_path / "data"), tmp_path / "cache")
        (tmp_path / "data" / "labels.csv").write_text("path,label\n")
        with pytest.raises(UserError, match="has no rows"):
            scan(self.CONFIG, str(tmp_path / "data"), tmp_path / "cache")
        (tmp_path / "data" / "labels.csv").write_text("")
        with pytest.raises(UserError, match="cannot be read as CSV"):
            scan(self.CONFIG, str(tmp_path / "data"), tmp_path / "cache")
