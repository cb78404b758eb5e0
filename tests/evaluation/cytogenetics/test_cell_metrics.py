"""Whole cells judged, before and after their chromosomes are placed jointly."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn import metrics as reference

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.predictions import Predictions
from evaluation.cytogenetics.assignment import assign_cells
from evaluation.cytogenetics.cell_metrics import (
    CellMetrics,
    assigned_table,
    cell_metric_names,
    evaluate_cells,
    join_assignment,
)
from evaluation.evaluate import evaluate_runs, write_evaluation
from evaluation.intervals.pooling import pool
from evaluation.labelled_runs import LabelledRuns
from evaluation.result import EvaluationResult
from evaluation.terminal import table
from tests.evaluation.cytogenetics.cells import CLASSES, karyotype, make_cell_run, make_cells
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=50, assignment=AssignmentConfig(enabled=True))
MIXED = [karyotype("XX"), karyotype("XY"), karyotype("XY", ["21"]), karyotype("XX", [], ["X"]), karyotype("XX", ["Y"])]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A judged run, its judgement and its folder."""
    folder, run = tmp_path_factory.mktemp("run"), make_cell_run(cells=20, skill=3.0)
    return run, write_evaluation(folder, run, None, SETTINGS), folder


def by_hand(test, calls):
    """What a plain loop over the cells says: right, abnormal, counts exact, called abnormal."""
    rows = []
    for _, cell in test.frame.assign(call=calls, true=test.labels).groupby("cell"):
        true, found = (np.bincount(cell[column], minlength=24).tolist() for column in ("true", "call"))
        normal = [np.bincount(karyotype(sex), minlength=24).tolist() for sex in ("XX", "XY")]
        rows.append(((cell["true"] == cell["call"]).all(), true not in normal, true == found, found not in normal))
    return np.array(rows).T


def printed(renderable):
    console = Console(width=80, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_accuracy_and_macro_f1_after_the_assignment_are_scikit_learns():
    test = make_cells(MIXED * 3, skill=3.0)
    assigned = assign_cells(test, SETTINGS.assignment)
    found = evaluate_cells(LabelledRuns.of([test], SETTINGS))["metrics"]
    assert found["accuracy_assigned"]["value"] == pytest.approx(reference.accuracy_score(test.labels, assigned))
    assert found["f1_macro_assigned"]["value"] == pytest.approx(
        reference.f1_score(test.labels, assigned, average="macro")
    )
    recalls = reference.recall_score(test.labels, assigned, average=None)
    assert [found[f"recall/{name}_assigned"]["value"] for name in CLASSES] == pytest.approx(recalls.tolist())


def test_cells_are_counted_as_by_hand():
    test = make_cells(MIXED * 4, skill=4.0, seed=2)
    judged = evaluate_cells(LabelledRuns.of([test], SETTINGS))
    assigned = assign_cells(test, SETTINGS.assignment)
    for suffix, key, calls in (
        ("", "_before", test.probabilities.argmax(axis=1)),
        ("_assigned", "", assigned),
    ):
        right, abnormal, exact, alarm = by_hand(test, calls)
        values = {name: judged["metrics"][name + suffix]["value"] for name in ("cells_right", "abnormal_recovered")}
        assert values == {"cells_right": right.mean(), "abnormal_recovered": exact[abnormal].mean()}
        assert judged["metrics"][f"normal_alarmed{suffix}"]["value"] == alarm[~abnormal].mean()
        assert judged["karyotypes"][f"recovered{key}"] == exact[abnormal].sum()
        assert judged["karyotypes"][f"alarmed{key}"] == alarm[~abnormal].sum()
    assert (judged["karyotypes"]["abnormal"], judged["karyotypes"]["normal"], judged["cells"]) == (12, 8, 20)
    assert 0 < judged["metrics"]["cells_right"]["value"] < judged["metrics"]["cells_right_assigned"]["value"]


def test_weights_of_subjects_are_copies_of_their_cells():
    test = make_cells(MIXED * 2, skill=3.0, cells_per_subject=2)
    weights = np.random.default_rng(0).integers(0, 3, 5)
    placed = join_assignment(LabelledRuns.of([test], SETTINGS), assigned_table([test], SETTINGS.assignment))
    weighted = CellMetrics(placed)(weights[None])[:, 0]
    copies = []
    for subject, weight in enumerate(weights):
        rows = test.frame[test.frame["subject"] == f"case_{subject:04d}"]
        copies += [
            rows.assign(cell=rows["cell"] + f" copy {copy}", image_id=rows["image_id"] + f" copy {copy}")
            for copy in range(weight)
        ]
    drawn = Predictions(pd.concat(copies, ignore_index=True), test.classes, None, test.about)
    again = join_assignment(LabelledRuns.of([drawn], SETTINGS), assigned_table([drawn], SETTINGS.assignment))
    plain = CellMetrics(again)(np.ones((1, again.scored.cluster_count)))[:, 0]
    assert dict(zip(cell_metric_names(CLASSES), weighted, strict=True)) == pytest.approx(
        dict(zip(cell_metric_names(CLASSES), plain, strict=True)), nan_ok=True
    )


def test_the_interval_of_cells_right_draws_subjects():
    test = make_cells(60, skill=4.0, cells_per_subject=3)
    settings = EvaluationConfig(resamples=2000, interval="bca", assignment=SETTINGS.assignment)
    found = evaluate_cells(LabelledRuns.of([test], settings))
    interval = found["metrics"]["cells_right"]
    right = by_hand(test, test.probabilities.argmax(axis=1))[0].reshape(20, 3).mean(axis=1)
    rng = np.random.default_rng(5)
    low, high = np.quantile(rng.choice(right, (4000, 20)).mean(axis=1), [0.025, 0.975])
    assert (interval["clusters"], interval["method"]) == (20, "bca")
    assert interval["low"] == pytest.approx(low, abs=0.04)
    assert interval["high"] == pytest.approx(high, abs=0.04)


def test_unlabelled_chromosomes_leave_their_cell_out_of_the_counts():
    test = make_cells(MIXED, skill=5.0)
    test.frame.loc[test.frame["cell"] == "cell_0000", "label"] = None
    first = test.frame.index[test.frame["cell"] == "cell_0002"][0]
    test.frame.loc[first, "label"] = None
    judged = evaluate_cells(LabelledRuns.of([test], SETTINGS))
    # The first cell has no label at all, the trisomy lacks one.
    assert judged["cells"] == 4
    assert (judged["karyotypes"]["normal"], judged["karyotypes"]["abnormal"]) == (1, 2)
    assert np.sum(judged["confusion"]) == 46 + 46 + 45 + 47


def test_without_a_label_every_metric_is_undefined():
    test = make_cells(2)
    test.frame["label"] = None
    judged = evaluate_cells(LabelledRuns.of([test], SETTINGS))
    assert {one["value"] for one in judged["metrics"].values()} == {None}
    assert judged["cells"] == 0


def test_subjects_unknown_the_cells_are_drawn():
    run = make_cell_run(cells=24)
    run.frame["subject"] = None
    judgement = evaluate_runs([run], SETTINGS)
    assert judgement["test"]["metrics"]["accuracy"]["clusters"] == 24
    assert judgement["assignment"]["metrics"]["cells_right"]["clusters"] == 24
    assert judgement["test"]["drawn"] == "cells"
    line = "test: no subject is known: intervals take cells for independent and may be too narrow"
    assert line in judgement.to_dict()["warnings"]


def test_a_judgement_of_cells_survives_json_and_is_written(written):
    run, judgement, folder = written
    assert EvaluationResult.from_dict(json.loads(json.dumps(judgement.to_dict(), allow_nan=False))) == judgement
    assert {path.name for path in folder.iterdir()} == {
        "metrics.json",
        "confusion_matrix.png",
        "confusion_matrix_assigned.png",
        "roc.png",
        "per_class.csv",
        "assigned.csv",
        "reliability.png",
        "wrong.csv",
    }
    test = run.part("test")
    rows = pd.read_csv(folder / "assigned.csv", dtype=str)
    assert rows["image_id"].tolist() == test.frame["image_id"].tolist()
    assert rows["label"].tolist() == test.frame["label"].tolist()
    assert rows["assigned"].tolist() == np.array(CLASSES)[assign_cells(test, SETTINGS.assignment)].tolist()
    assert rows["argmax"].tolist() == np.array(CLASSES)[test.probabilities.argmax(axis=1)].tolist()


def test_per_class_says_recall_and_the_most_frequent_wrong_class(written):
    run, _, folder = written
    rows = pd.read_csv(folder / "per_class.csv", dtype={"class": str, "mistaken_for": str}).set_index("class")
    test = run.part("test")
    called = np.array(CLASSES)[test.probabilities.argmax(axis=1)]
    for name in CLASSES:
        own = called[test.frame["label"] == name]
        assert rows.loc[name, "images"] == len(own)
        assert rows.loc[name, "recall"] == pytest.approx((own == name).mean(), abs=1e-6)
        wrong = pd.Series(own[own != name]).value_counts()
        mistaken = rows.loc[name, "mistaken_for"]
        assert pd.isna(mistaken) if wrong.empty else wrong[mistaken] == wrong.max()
    assert (rows["recall_assigned"] > rows["recall"]).mean() > 0.7


def test_other_multi_class_runs_have_a_table_per_class_and_no_cells(tmp_path):
    judgement = write_evaluation(tmp_path, make_run(classes=("a", "b", "c")), None, EvaluationConfig(resamples=20))
    rows = pd.read_csv(tmp_path / "per_class.csv")
    assert rows["recall"].tolist() == pytest.approx(
        [judgement["test"]["metrics"][f"recall/{name}"]["value"] for name in "abc"], abs=1e-6
    )
    assert rows["recall_assigned"].isna().all()
    assert judgement["assignment"] is None
    assert not (tmp_path / "assigned.csv").exists()


def test_folds_are_pooled_and_each_has_its_own_costs():
    runs = [make_cell_run(fold, cells=8, skill=3.0) for fold in range(3)]
    settings = EvaluationConfig(resamples=50, assignment=AssignmentConfig(enabled=True, costs="validation"))
    judgement = evaluate_runs(runs, settings)
    found, single = judgement["assignment"], [evaluate_cells(LabelledRuns.of([run], settings)) for run in runs]
    assert found["costs"] == [one["costs"][0] for one in single]
    assert found["cells"] == 24
    assert np.array_equal(found["confusion"], np.sum([one["confusion"] for one in single], axis=0))
    for name in ("cells_right", "accuracy_assigned", "f1_macro_assigned", "normal_alarmed_assigned"):
        mean = np.mean([one["metrics"][name]["value"] for one in single])
        assert found["fold_means"][name]["value"] == pytest.approx(mean), name
        assert found["fold_means"][name]["low"] <= mean <= found["fold_means"][name]["high"]
    assert found["karyotypes"]["normal"] == sum(one["karyotypes"]["normal"] for one in single)
    assert len(assigned_table(runs, settings.assignment)) == len(pool(runs).frame)


def doubtful(part, first):
    """Two cells 46,XX,+21,-22 and a network that doubts it: only a quarter of the usual costs leaves them abnormal."""
    labels = karyotype("XX", ["21"], ["22"])
    cells = make_cells([labels, labels], part=part, first=first)
    probabilities = np.full((len(labels), 24), 1e-6)
    probabilities[np.arange(len(labels)), labels] = 1.0
    probabilities[labels == CLASSES.index("21"), CLASSES.index("22")] = 0.01
    cells.frame[[f"prob_{name}" for name in CLASSES]] = np.tile(probabilities, (2, 1))
    return cells


@pytest.mark.parametrize(("part", "costs"), [("validation", {"extra": 2.0, "missing": 1.0}), ("test", None)])
def test_the_test_cells_have_no_say_in_the_costs(part, costs):
    chosen = AssignmentConfig(enabled=True, costs="validation")
    sure = make_cell_run(cells=6, skill=9.0).frame
    frame = pd.concat([sure[sure["part"] != part], doubtful(part, 9000).frame], ignore_index=True)
    run = Predictions(frame, CLASSES, None, make_cells(1).about)
    found = evaluate_cells(LabelledRuns.of([run], EvaluationConfig(resamples=20, assignment=chosen))).costs
    assert [cost.as_dict() for cost in found] == [costs or {"extra": chosen.extra_cost, "missing": chosen.missing_cost}]


def test_what_cannot_be_assigned_is_a_caution_and_the_rest_is_judged():
    torn = evaluate_runs([make_cell_run(cells=4, protocol="image")], SETTINGS)
    assert torn["assignment"] is None
    assert (
        "cells are not assigned: protocol=image tears the cells over the parts: split by subject"
        in torn.to_dict()["warnings"]
    )
    assert torn["test"]["metrics"]["accuracy"]["value"] > 0.5
    cells = make_cells([karyotype("XX")] * 3 + [karyotype("XX")[:9]])
    lines = evaluate_runs([cells], SETTINGS).to_dict()["warnings"]
    size = "fewer than 22 or more than 70 chromosomes"
    assert f"assignment: 1 cells of {size} keep their most probable classes" in lines
    plain = evaluate_runs([make_run(classes=("a", "b", "c"))], SETTINGS)
    assert (
        "cells are not assigned: the classes must be 1 to 22, X and Y, which a, b, c does not fit"
        in (plain.to_dict()["warnings"])
    )
    off = evaluate_runs([make_cell_run(cells=4)], EvaluationConfig(resamples=20))
    assert off["assignment"] is None
    assert not any("assign" in line for line in off.to_dict()["warnings"])


def test_shares_of_few_abnormal_cells_are_doubtful():
    run = make_cells([karyotype("XX")] * 8 + [karyotype("XX", ["21"])] * 2, skill=9.0)
    warnings = evaluate_runs([run], SETTINGS).to_dict()["warnings"]
    assert any(
        "cells: undefined on some resamples" in line and "abnormal_recovered_assigned (" in line for line in warnings
    )
    assert any(line.startswith("cells: 0 or 1 whoever is left out") and "cells_right" in line for line in warnings)


def test_the_table_has_a_second_line():
    text = printed(table(evaluate_runs([make_cell_run(fold, cells=8, skill=3.0) for fold in range(2)], SETTINGS)))
    assert "16 cells" in text
    assert "one by one" in text
    assert "joint assignment" in text
    assert "cells_right" in text
    assert "fold means, one by one and by the joint assignment: accuracy 0." in text
    assert "counts of 0 cells that are not 46,XX or 46,XY" in text
    assert "8 and 4 nats" in text
    assert "200 images seen in 2 s" in text
    assert "…" not in text
