"""The same trainings at two revisions."""

import numpy as np
import pytest

from benchmarks.revisions import compare
from benchmarks.shared import checkout
from common.errors import UserError
from common.paths import ROOT
from common.predictions import write_predictions
from common.runs.run import Run
from tests.helpers.predictions import with_scores

LABELS = [0, 1, 0, 1]


def runs_of(folder, *scores):
    """Runs of four test images, by their probabilities of the positive class."""
    for number, values in enumerate(scores):
        (folder / str(number)).mkdir()
        write_predictions(folder / str(number) / "predictions.parquet", with_scores(LABELS, np.array(values)))
    return [Run(folder / str(number)) for number in range(len(scores))]


def test_equal_pairs_are_counted_and_the_largest_difference_is_told(tmp_path):
    one, same, other = runs_of(tmp_path, [0.1, 0.9, 0.2, 0.8], [0.1, 0.9, 0.2, 0.8], [0.1, 0.9, 0.2, 0.3])
    compared = compare([[one, same], [one, other]])
    assert compared["equal"] == 1
    assert compared["difference"] == pytest.approx(0.5)
    assert [compared[name] for name in ("accuracy_before", "accuracy_now", "spread")] == [1.0, 0.875, 0.0]


def test_the_code_of_a_revision_is_there_for_a_while():
    with checkout("HEAD", ROOT) as folder:
        assert (folder / "train.py").is_file()
    assert not folder.exists()
    with (
        pytest.raises(UserError, match="no-such-revision: git cannot check it out"),
        checkout("no-such-revision", ROOT),
    ):
        pass
