import pandas as pd

from karyocyte.evaluation.pooling.predicted_table import PredictedFacts, write_predicted
from karyocyte.workflows.evaluation.predicted_images import labelled_predictions


def test_images_of_a_cell_of_which_one_was_not_predicted_name_no_cell(tmp_path):
    table = pd.DataFrame({"file": list("abcd"), "cell": list("1122"), "label": list("1212")})
    table = table.assign(status=["predicted"] * 3 + ["broken"], seen=None, group=None, uncertainty=0.1)
    facts = PredictedFacts("model", ("model",), ("1", "2"), None, (), ())
    write_predicted(tmp_path / "new.parquet", table.assign(prob_1=0.5, prob_2=0.5, subject=None), facts)
    assert labelled_predictions(tmp_path / "new.parquet").frame["cell"].fillna("").tolist() == ["1", "1", ""]
