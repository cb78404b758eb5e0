"""Predictions travel through a file whole, and a wrong file is named."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import entropy

from common.errors import UserError
from common.predictions import read_predictions, uncertainty_of, write_predictions
from tests.helpers.predictions import make_predictions


def test_what_is_written_is_read(tmp_path):
    written = make_predictions(subjects=None)
    write_predictions(tmp_path / "predictions.parquet", written)
    for place in (tmp_path, tmp_path / "predictions.parquet"):
        read = read_predictions(place)
        pd.testing.assert_frame_equal(read.frame, written.frame, check_dtype=False)
        assert (read.classes, read.positive_class, read.about) == (
            written.classes,
            written.positive_class,
            written.about,
        )


def test_labels_are_indices_and_minus_one_where_unknown():
    predictions = make_predictions(images=4)
    predictions.frame["label"] = ["all", "hem", None, "all"]
    assert predictions.labels.tolist() == [1, 0, -1, 1]
    assert predictions.positive_index == 1


def test_uncertainty_is_the_share_of_the_largest_entropy():
    found = uncertainty_of(np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]]))
    assert found[:2].tolist() == [1.0, 0.0]
    assert found[2] == pytest.approx(entropy([0.9, 0.1]) / np.log(2))
    assert uncertainty_of(np.full((1, 24), 1 / 24))[0] == pytest.approx(1.0)


def test_a_wrong_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no predictions at"):
        read_predictions(tmp_path)
    (tmp_path / "predictions.parquet").write_text("no parquet")
    with pytest.raises(UserError, match="not a readable parquet"):
        read_predictions(tmp_path)
    make_predictions().frame.to_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match="schema none"):
        read_predictions(tmp_path / "foreign.parquet")
    lacking = make_predictions()
    del lacking.frame["prob_all"]
    write_predictions(tmp_path / "predictions.parquet", lacking)
    with pytest.raises(UserError, match="lacks the columns prob_all"):
        read_predictions(tmp_path)


def rewritten(path, version):
    """The file as a code of that version left it: version 2 had no kinds."""
    table = pq.read_table(path).drop(["kind"])
    meta = {**json.loads(table.schema.metadata[b"karyocyte"]), "schema_version": version}
    pq.write_table(table.replace_schema_metadata({b"karyocyte": json.dumps(meta).encode()}), path)


def test_older_predictions_are_read_without_kinds_and_the_oldest_refused(tmp_path):
    path, written = tmp_path / "predictions.parquet", make_predictions()
    write_predictions(path, written)
    rewritten(path, 2)
    read = read_predictions(path)
    assert read.frame["kind"].isna().all()
    known = written.frame.columns.drop(["kind", "cell"])
    pd.testing.assert_frame_equal(read.frame[known], written.frame[known], check_dtype=False)
    write_predictions(path, written)
    rewritten(path, 1)
    with pytest.raises(UserError, match="has predictions schema 1, this code reads 2 and 3: run it again"):
        read_predictions(path)
