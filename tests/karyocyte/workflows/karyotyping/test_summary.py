"""What the user is told of cells."""

import pandas as pd

from karyocyte.workflows.karyotyping.tables import data_warnings


def test_images_that_were_trained_on_are_counted():
    rows = [("c", "1", "used", "train", "a"), ("c", "1", "used", "", "b"), ("c", "2", "used", "", "b")]
    chromosomes = pd.DataFrame(rows, columns=["case", "cell", "status", "seen", "sha256"])
    assert data_warnings(chromosomes) == ["the model was trained on 1 image of 1 cell"]
    assert data_warnings(chromosomes[1:]) == []
