import pandas as pd
import pytest

from common.predictions import write_predictions
from scripts.karyotypes import app
from tests.evaluation.cytogenetics.cells import karyotype, make_cells
from tests.helpers.predictions import join, make_run
from tests.helpers.terminal import error_of, run_app


@pytest.fixture
def runs(tmp_path):
    """Three counted cells, and four karyograms: of these cells and one more; all but the second predicted abnormal."""
    cells = make_cells([karyotype(), karyotype("XY"), karyotype("XY", ["21"])], skill=12.0, cells_per_subject=1)
    write_predictions(tmp_path / "cells" / "predictions.parquet", cells)
    names = cells.frame[["subject", "cell"]].drop_duplicates().to_numpy().tolist()
    seen = make_run(images=4, subjects=None, classes=("normal", "abnormal"))
    frame = seen.frame
    test = frame.index[frame["part"] == "test"]
    frame.loc[test, ["subject", "cell"]] = [*names, ["someone", "else"]]
    frame["kind"] = ["normal", "trisomy"] * 2 + ["normal", "normal", "trisomy", "trisomy"]
    frame["label"] = ["normal" if kind == "normal" else "abnormal" for kind in frame["kind"]]
    frame["prob_abnormal"] = [0.2, 0.8] * 2 + [0.9, 0.1, 0.9, 0.9]
    frame["prob_normal"] = 1 - frame["prob_abnormal"]
    write_predictions(tmp_path / "net" / "predictions.parquet", join(seen))
    return tmp_path


def call(*arguments, code=0):
    return run_app(app, *arguments, code=code, COLUMNS="160")


def test_methods_are_compared_on_the_same_cells(runs):
    call(runs / "cells")  # counting alone
    result = call(runs / "cells", "--against", runs / "net", "--csv", runs / "found.csv")
    assert "takes cells for independent" in result.output
    table = pd.read_csv(runs / "found.csv").set_index(["method", "kind"])
    methods = ["counted one by one", "counted, joint assignment", "tiny, at 0.5", "tiny, at the threshold"]
    assert table.index.get_level_values("method").unique().tolist() == methods
    for method in methods:
        assert table.loc[(method, "trisomy"), ["cells", "found"]].tolist() == [1, 1]
        assert table.loc[(method, "normal"), "cells"] == 2
    assert table.loc[("tiny, at 0.5", "normal"), "found"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net", "--against", "cells"], "abnormal"),
        (["cells", "--against", "cells"], "composed_karyograms"),
        (["cells", "--against", "nowhere"], "nowhere"),
    ],
)
def test_errors_are_one_line(runs, arguments, message):
    result = call(*(word if word.startswith("--") else runs / word for word in arguments), code=1)
    assert message in error_of(result)


def test_a_referral_folder_is_not_written_over(runs):
    result = call(runs / "cells", "--referral", runs / "net", code=1)
    assert "--referral" in error_of(result)
