"""Messages for a program: keys of a command line are arguments of Python."""

import pytest

from datamodules import FolderDataModule
from karyocyte.common.errors import UserError
from karyocyte.config.overrides import typed_names, typed_text
from karyocyte.config.python_words import python_words
from tests.helpers.images import write_class_folders

ARGUMENTS = {"data.positive_class": "positive_class", "data.classes": "classes", "split.fold": "fold", "name": "name"}
ARGUMENTS |= {"split.folds": "folds", "protocol": "protocol", "data.file": "file", "prepare.canvas": "canvas"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("say `data.positive_class=blast`", 'say `positive_class="blast"`'),
        (typed_text("data.positive_class", "a cell"), 'positive_class="a cell"'),
        (typed_names("data.classes", ["a", "b c"]), 'classes=["a","b c"]'),
        (typed_names("data.classes", ["a", "b"]), 'classes=["a","b"]'),
        ("split.fold=9 is not below split.folds=5", "fold=9 is not below folds=5"),
        ("no table data.csv: set data.file, or data.file=null", "no table data.csv: set file, or file=None"),
        ("name one, such as protocol=image: or not", 'name one, such as protocol="image": or not'),
        ("prepare.canvas.scale_by=cell", "prepare.canvas.scale_by=cell"),
    ],
)
def test_keys_become_arguments(text, words):
    assert python_words(text, ARGUMENTS) == words


def test_an_error_of_a_data_module_names_its_arguments(tmp_path):
    write_class_folders(tmp_path / "cells", {"blast": 3, "normal": 3})
    with pytest.raises(UserError, match='^positive_class="blst" is no class .* `positive_class="blast"`'):
        FolderDataModule(tmp_path / "cells", positive_class="blst", cache_dir=tmp_path, progress=False).setup()
