"""Predictions travel through a file whole, and a wrong file is named."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from karyocyte.common.errors import UserError
from karyocyte.evaluation.pooling.predicted_table import is_predicted
from karyocyte.runs.predictions import read_predictions, uncertainty_of, write_predictions, write_table
from tests.helpers.predictions import make_predictions


@pytest.fixture
def path(tmp_path):
    return tmp_path / "predictions.parquet"


def test_what_is_written_is_read(path):
    written = make_predictions(images=3, subjects=None)
    written.frame["width"], written.frame["group"] = [450, None, 30], ["May-Gruenwald", None, "Wright"]
    write_predictions(path, written)
    for place in (path.parent, path):
        read = read_predictions(place)
        pd.testing.assert_frame_equal(read.frame, written.frame, check_dtype=False)
        assert [read.classes, read.positive_class, read.about] == [("hem", "all"), "all", written.about]


def test_labels_are_indices_and_minus_one_where_unknown():
    predictions = make_predictions(images=4)
    predictions.frame["label"] = ["all", "hem", None, "all"]
    assert predictions.labels.tolist() == [1, 0, -1, 1]
    assert predictions.positive_index == 1


def test_uncertainty_is_the_share_of_the_largest_entropy():
    rows = np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]])
    assert uncertainty_of(rows) == pytest.approx([1.0, 0.0, entropy([0.9, 0.1]) / np.log(2)])
    assert uncertainty_of(np.full((1, 24), 1 / 24))[0] == pytest.approx(1.0)


def test_a_wrong_file_is_a_user_error(path):
    path.write_text("no parquet")
    with pytest.raises(UserError, match="not a readable parquet"):
        read_predictions(path)
    make_predictions().frame.to_parquet(path)
    with pytest.raises(UserError, match="schema none"):
        read_predictions(path)
    write_table(path, make_predictions().frame, {"schema_version": 5})
    with pytest.raises(UserError, match="schema 5, this code reads 4"):
        read_predictions(path)
    lacking = make_predictions()
    del lacking.frame["prob_all"]
    write_predictions(path, lacking)
    with pytest.raises(UserError, match="lacks the columns prob_all"):
        read_predictions(path)


def test_a_turned_bit_in_predictions_is_noticed(path):
    made = make_predictions(images=40)
    write_predictions(path, made)
    whole = path.read_bytes()
    for place, bit in product(range(0, len(whole), 31), (1, 128)):  # also what makes a text no UTF-8
        content = bytearray(whole)
        content[place] ^= bit
        path.write_bytes(content)
        assert not is_predicted(path)
        try:
            read = read_predictions(path)
        except UserError:
            continue
        pd.testing.assert_frame_equal(read.frame, made.frame)
