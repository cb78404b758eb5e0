"""Scores of abnormal chromosomes are compared with those of normal ones of their own class."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.comparison.within_class import auroc, draw_extremes, within_class


def table_of(gap: float) -> pd.DataFrame:
    """Two classes at different levels: within each the abnormal ones are higher by ``gap`` on average."""
    rng = np.random.default_rng(0)
    rows = []
    for name, level in (("1", 0.0), ("2", 50.0)):
        for group, shift in (("normal", 0.0), ("abnormal", gap)):
            for number in range(6):
                score = level + shift + rng.normal()
                rows.append({"file": f"{name}{group}{number}", "class": name, "group": group, "score": score})
    return pd.DataFrame(rows)


def test_the_level_of_a_class_does_not_count():
    result = within_class(table_of(gap=10.0), 0.95).set_index("class")
    assert result.loc[["all", "1", "2"], "auroc"].tolist() == [1, 1, 1]
    assert result.loc["all", ["images", "normal"]].tolist() == [12, 12]


def test_the_mean_over_classes_has_an_interval():
    table = table_of(gap=1.0)
    result = within_class(table, 0.95).set_index("class")
    means = [
        roc_auc_score(rows["group"] == "abnormal", rows["score"]) for _, rows in table.groupby("class", sort=False)
    ]
    assert result.loc["all", "auroc"] == pytest.approx(np.mean(means))
    assert 0 < result.loc["all", "low"] < result.loc["all", "auroc"] < result.loc["all", "high"] < 1


def test_ones_without_class_are_compared_with_all_normal_ones():
    table = table_of(gap=1.0)
    unknown = pd.DataFrame({"file": ["r"] * 3, "class": None, "group": "ring", "score": 0.0, "score_any": 99.0})
    table["score_any"] = table["score"]
    result = within_class(pd.concat([table, unknown], ignore_index=True), 0.95).set_index("group")
    assert result.loc["ring", ["class", "images", "normal", "auroc"]].tolist() == ["without class", 3, 12, 1.0]


def test_ties_count_by_half():
    assert auroc(np.array([1.0, 2.0]), np.array([1.0, 1.0])) == 0.75
    assert np.isnan(auroc(np.array([]), np.array([1.0])))


def test_no_normal_ones_no_rows():
    table = table_of(gap=1.0)
    assert within_class(table[table["group"] == "abnormal"], 0.95).empty


def test_extremes_are_drawn(tmp_path):
    table = table_of(gap=1.0).assign(relative=lambda rows: rows["score"], hottest=0.3, partner=24, compared_as="1")
    strips = np.zeros((25, 40, 12), np.uint8)
    strips[:, :30, 4:8] = 200
    draw_extremes(tmp_path / "extremes.png", table, strips, {"name": "pairs"})
    assert (tmp_path / "extremes.png").stat().st_size > 1000
