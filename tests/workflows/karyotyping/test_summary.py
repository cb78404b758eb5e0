"""What the user is told of cells."""

import pandas as pd

from workflows.karyotyping.summary import data_warnings


def test_images_that_were_trained_on_and_those_in_several_cells_are_counted():
    rows = [("c", "1", "used", "train", "a"), ("c", "1", "used", "", "b"), ("c", "2", "used", "", "b")]
    chromosomes = pd.DataFrame(rows, columns=["case", "cell", "status", "seen", "sha256"])
    trained_on, again = data_warnings(chromosomes)
    assert trained_on == "the model was trained on 1 image of 1 cell"
    assert again.startswith("2 images in several cells")
