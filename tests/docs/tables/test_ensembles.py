import pandas as pd

from docs.tables import ensembles as judged_tables


def lines(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_ensembles_shows_methods_and_no_members_and_no_difference_of_the_average_to_itself(tmp_path):
    row = {"parameters": 0, "fold": "all", "metric": "f1_weighted", "validation": 0.9, "nested": None}
    row |= {"test": 0.8, "test_low": 0.7, "test_high": 0.9, "difference": -0.05, "difference_low": -0.1}
    row |= {"difference_high": 0.01}
    models = [("alone", "member"), ("average", "method"), ("genetic", "method")]
    rows = [{**row, "model": model, "kind": kind} for model, kind in models]
    rows += [{**rows[-1], "metric": "auc"}, {**rows[-1], "fold": "1"}]
    (tmp_path / "ensembles").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "ensembles" / "cells.csv", index=False)
    found = lines(judged_tables.ensembles(tmp_path))
    assert found == [
        ["cells", "average", "0", "0.900", "-", "0.800 (0.700 to 0.900)", "-"],
        ["cells", "genetic", "0", "0.900", "-", "0.800 (0.700 to 0.900)", "-0.050 (-0.100 to +0.010)"],
    ]


def test_missed_counts_every_class_and_leaves_gaps_where_there_are_fewer_models(tmp_path):
    (tmp_path / "missed").mkdir()
    for name, models in (("a", 2), ("b", 1)):
        rows = [
            {"true_class": "(every class)", "k": k, "images": 10 + k, "independent": 3.6} for k in range(models + 1)
        ]
        rows += [{"true_class": "all", "k": 0, "images": 99, "independent": 0.0}]
        pd.DataFrame(rows).to_csv(tmp_path / "missed" / f"{name}.csv", index=False)
    found = lines(judged_tables.missed(tmp_path))
    assert found == [["0", "10 (4)", "10 (4)"], ["1", "11 (4)", "11 (4)"], ["2", "12 (4)", "-"]]


def test_external_means_the_runs_inside_and_outside(tmp_path):
    rows = [
        {"label": "net", "source": source, "folds": fold, "metric": metric, "value": value}
        for source, values in (("cnmc", (0.8, 0.9)), ("cnmc on other (folder, 9 images)", (0.5, 0.6)))
        for fold, value in enumerate(values)
        for metric in ("accuracy", "f1_weighted", "auc")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "external.csv", index=False)
    assert lines(judged_tables.external(tmp_path)) == [["net", "2", *["0.850", "0.550"] * 3]]


def test_coverage_is_per_cent_by_method(tmp_path):
    rows = [
        {"world": "usual", "subjects": 14, "metric": metric, "method": method, "share": share}
        for metric in ("auc", "nll")
        for method, share in (("logit_t", 0.95), ("bca", 0.848))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "coverage.csv", index=False)
    assert lines(judged_tables.coverage(tmp_path)) == [["usual", "14", "auc", "95.0", "84.8"]]
