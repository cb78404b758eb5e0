"""Predictions travel through a file whole, and a wrong file is named."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import entropy

from common.errors import UserError
from common.predictions import read_predictions, uncertainty_of, write_predictions
from common.runs.run import Run
from tests.helpers.predictions import make_predictions

ADDED = {3: ["kind"], 4: ["width", "height", "group"]}


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


@pytest.mark.parametrize(("balance", "balanced"), [("none", False), ("weighted_sampling", True)])
def test_whether_earlier_runs_were_balanced_is_read_from_their_configuration(path, balance, balanced):
    write_predictions(path, make_predictions(images=3))
    assert "balanced" not in read_predictions(path).about
    Run(path.parent).write_raw_config({"balance": {"name": balance}})
    assert read_predictions(path).about["balanced"] is balanced
    write_predictions(path, make_predictions(images=3, about={"balanced": not balanced}))
    assert read_predictions(path).about["balanced"] is not balanced


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
    with pytest.raises(UserError, match="no predictions at"):
        read_predictions(path.parent)
    path.write_text("no parquet")
    with pytest.raises(UserError, match="not a readable parquet"):
        read_predictions(path)
    make_predictions().frame.to_parquet(path)
    with pytest.raises(UserError, match="schema none"):
        read_predictions(path)
    lacking = make_predictions()
    del lacking.frame["prob_all"]
    write_predictions(path, lacking)
    with pytest.raises(UserError, match="lacks the columns prob_all"):
        read_predictions(path)


def write_as_version(path, version):
    """Write predictions as the code of that version did: without the columns that came later, which are returned."""
    later = [name for added, names in ADDED.items() if added > version for name in names]
    write_predictions(path, make_predictions())
    table = pq.read_table(path).drop(later)
    meta = {**json.loads(table.schema.metadata[b"karyocyte"]), "schema_version": version}
    pq.write_table(table.replace_schema_metadata({b"karyocyte": json.dumps(meta).encode()}), path)
    return later


@pytest.mark.parametrize("version", [2, 3])
def test_what_older_predictions_lack_is_unknown(path, version):
    later = write_as_version(path, version)
    read = read_predictions(path)
    assert read.frame[later].isna().all(axis=None)
    whole = make_predictions().frame
    present = whole.columns.drop([*later, "cell", "kind", "group"], errors="ignore")
    pd.testing.assert_frame_equal(read.frame[present], whole[present], check_dtype=False)
    write_predictions(path, read)  # as schema 4
    assert read_predictions(path).frame[later].isna().all(axis=None)


@pytest.mark.parametrize(("version", "remedy"), [(1, "run it again"), (5, "update the code")])
def test_predictions_that_cannot_be_read_name_the_remedy(path, version, remedy):
    write_as_version(path, version)
    with pytest.raises(UserError, match=f"schema {version}, this code reads 2, 3, 4: {remedy}"):
        read_predictions(path)
