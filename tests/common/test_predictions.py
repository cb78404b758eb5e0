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


ADDED = {3: ["kind"], 4: ["width", "height", "group"]}


def rewritten(path, version):
    """The file as a code of that version left it: without the columns that came later."""
    absent = [name for added, names in ADDED.items() if added > version for name in names]
    table = pq.read_table(path).drop(absent)
    meta = {**json.loads(table.schema.metadata[b"karyocyte"]), "schema_version": version}
    pq.write_table(table.replace_schema_metadata({b"karyocyte": json.dumps(meta).encode()}), path)


@pytest.mark.parametrize("version", [2, 3])
def test_what_older_predictions_lack_is_unknown(tmp_path, version):
    path, written = tmp_path / "predictions.parquet", make_predictions()
    write_predictions(path, written)
    rewritten(path, version)
    read = read_predictions(path)
    later = [name for added, names in ADDED.items() if added > version for name in names]
    assert read.frame[later].isna().all(axis=None)
    known = written.frame.columns.drop([*later, "cell", "kind", "group"], errors="ignore")
    pd.testing.assert_frame_equal(read.frame[known], written.frame[known], check_dtype=False)
    # They can be written again, as schema 4.
    write_predictions(path, read)
    assert read_predictions(path).frame[later].isna().all(axis=None)


@pytest.mark.parametrize(("version", "remedy"), [(1, "run it again"), (5, "update the code")])
def test_predictions_that_cannot_be_read_name_the_remedy(tmp_path, version, remedy):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, make_predictions())
    rewritten(path, version)
    message = f"has predictions schema {version}, this code reads 2, 3, 4: {remedy}"
    with pytest.raises(UserError, match=message):
        read_predictions(path)


def test_size_and_group_travel_with_the_image(tmp_path):
    written = make_predictions(images=3)
    written.frame["width"], written.frame["group"] = [450, None, 30], ["May-Gruenwald", None, "Wright"]
    write_predictions(tmp_path / "predictions.parquet", written)
    read = read_predictions(tmp_path).frame
    assert read["width"].tolist()[::2] == [450, 30]
    assert read["group"].dropna().to_dict() == {0: "May-Gruenwald", 2: "Wright"}
    assert read["width"].isna().tolist() == [False, True, False]
