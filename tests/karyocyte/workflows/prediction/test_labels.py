"""The table of labels beside new images: what a spreadsheet writes is read, what is doubtful is refused."""

import pytest

from datamodules.inference.image_files import ImageFile
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.workflows.prediction.labels import labels_of

NAMES = ("a/1.png", "a/2.png")


def read(root, table):
    (root / "labels.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    files = [ImageFile(path=root / name, name=name, folders=(root.name, "a")) for name in NAMES]
    return labels_of(files, ("hem", "all", "NA"))


@pytest.mark.parametrize(
    "table",
    [
        "path;class\na/1.png;NA\na/2.png;\n", "# of the clinic\npath, label\n./a/1.png, NA\na/2.png,?\n",
        "path\tclass\r\na\\1.png\tNA\r\n".encode("utf-16"),
    ],
)  # fmt: skip
def test_it_is_read_like_the_table_of_a_training(tmp_path, table):
    assert read(tmp_path, table)["label"].tolist() == ["NA", None]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("path,class,label\na/1.png,all,x\n", "columns class and label, which mean the same: rename or remove one"),
        ("path,class\na/1.png,all\n./a/1.png,hem\n", "row 3: a/1.png is in an earlier row already"),
    ],
)
def test_one_that_says_two_things_is_refused_by_its_name(tmp_path, table, words):
    with pytest.raises(UserError, match=words) as refused:
        read(tmp_path, table)
    assert "labels.csv" in str(refused.value)


def test_images_that_it_does_not_name_are_counted(tmp_path, capsys):
    assert list(read(tmp_path, "path,class\n1.png,all\n2.png,hem\n")) == []
    assert "labels.csv has no row for 2 of the images, first a/1.png" in " ".join(capsys.readouterr().out.split())


def test_chromosomes_have_the_names_of_the_training_data(tmp_path):
    folders = [("01",), ("23", "a"), ("X", "01"), ("case7", "01")]
    files = [ImageFile(tmp_path.joinpath(*above, "a.png"), "a.png", ("set", *above)) for above in folders]
    assert labels_of(files, CHROMOSOMES)["label"].tolist() == ["1", "X", "X", None]
