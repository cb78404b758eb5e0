"""Which claims are reached, which are not, and which cannot be compared, with the reason."""

import pandas as pd
import pytest

from common.errors import UserError
from common.paths import ROOT
from evaluation.papers.reproduction import NOT_COMPARABLE, NOT_REACHED, REACHED, compare, read_claims
from tests.evaluation.papers.claims import claim, measured, write_results


def compared(folder, claims, rows, papers=(), **tables):
    """Write claims and measurements, and return the table of the comparison."""
    write_results(folder, claims, **tables)
    pd.DataFrame(rows or [measured(experiment="none", label="none")]).to_csv(folder / "some.csv", index=False)
    return compare(folder, papers)


@pytest.mark.parametrize(
    ("claimed", "verdict"), [("0.86", NOT_REACHED), ("0.85", REACHED), ("0.8", REACHED), ("0.5", REACHED)]
)
def test_a_claim_is_reached_where_the_interval_of_the_papers_own_split_holds_it_or_lies_above(
    tmp_path, claimed, verdict
):
    rows = [measured(), measured("net, by subject", protocol="subject", value=0.99, low=0.98, high=1.0)]
    table = compared(tmp_path, [claim(claimed=claimed)], rows)
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["verdict"], row["reason"]) == (verdict, "")
    assert (row["as_paper_value"], row["honest_value"]) == (0.8, 0.99)
    assert (row["as_paper_images_seen"], row["as_paper_minutes"], row["as_paper_revision"]) == (6000, 1, "abc")


@pytest.mark.parametrize(
    ("claims", "facts", "reason"),
    [
        ({"claimed": ""}, {}, "no figure is printed"),
        ({"metric": "val_accuracy"}, {}, "a validation figure, ours are of test images"),
        ({}, {"metric": "auc"}, "not measured here"),
        ({}, {"protocol": "subject", "images": 1000}, "not measured as the paper split"),
        ({}, {"images": 21}, "21 of 200 test images"),
        ({}, {"images": 198}, ""),  # rounding of the split
        ({}, {"source": "folder"}, "another data set (some)"),
        ({}, {"source": "others"}, "another data set (others)"),
        ({}, {"tested_on": "others"}, "not measured here"),
        ({}, {"images_seen": 599}, "599 images seen, one epoch of the paper's is 600"),
        ({}, {"images_seen": None}, ""),
        ({}, {"images_seen": 1100, "folds": "0 1"}, "550 images seen, one epoch of the paper's is 600"),
        ({}, {"low": None, "high": None}, "no interval"),
        ({}, {"synthetic": True}, "not measured here"),
        ({}, {"protocol": "image"}, "not measured here"),  # of known subjects: neither the paper's split nor honest
    ],
)
def test_why_a_claim_cannot_be_compared(tmp_path, claims, facts, reason):
    row = compared(tmp_path, [claim(**claims)], [measured(**facts)]).iloc[0]
    assert row["reason"] == reason
    assert (row["verdict"] == NOT_COMPARABLE) is bool(reason)


def test_reasons_add_up_and_departures_are_named(tmp_path):
    rows = [measured("small", images=95, protocol="subject", folds="0 1 2", images_seen=300)]
    row = compared(tmp_path, [claim()], rows, departures=[["small", "72 px instead of 227"]]).iloc[0]
    assert row["reason"] == (
        "95 of 1,000 images; not measured as the paper split; 100 images seen, one epoch of the paper's is 600; "
        "72 px instead of 227"
    )
    assert row["honest_folds"] == "0 1 2"


def test_private_images_are_never_the_papers(tmp_path):
    data = [["009", "cells", "by image", 1000, 600, 200, "no"]]
    row = compared(tmp_path, [claim()], [measured()], data=data).iloc[0]
    assert row["reason"] == "the paper's images are not public"


def test_an_official_test_set_is_honest_without_subjects(tmp_path):
    data = [["009", "mnist", "by image", 70000, 600, 3596, "yes"]]
    facts = {"source": "mnist", "protocol": "image", "subjects": None}
    rows = [measured(images=10_000, **facts), measured("half", images=5000, **{**facts, "subjects": 10})]
    table = compared(tmp_path, [claim(dataset="mnist")], rows, data=data)
    assert table["honest_images"].tolist() == [10_000]
    assert table["reason"].tolist() == ["not measured as the paper split"]


def test_several_measurements_have_a_row_each_and_none_is_lost(tmp_path):
    rows = [
        measured("a", value=0.7),
        measured("b", value=0.8),
        measured("c", protocol="subject", value=0.6),
        measured("d", source="others", protocol="subject", value=0.5),
    ]
    table = compared(tmp_path, [claim()], rows)[["as_paper_label", "honest_label", "measured_on"]].fillna("")
    assert table.to_numpy().tolist() == [["a", "c", "cells"], ["b", "", "cells"], ["", "d", "others"]]


def test_differences_other_metrics_and_external_evaluations_are_left_out(tmp_path):
    """The inside rows of an external evaluation are single folds; the outside ones are of other images."""
    rows = [
        measured("net - other", experiment="net - other", metric="difference/accuracy"),
        measured("net - other"),
        measured("net", metric="ece", value=0.05),
        measured("net, cells to others", protocol="subject"),
        measured("net, cells to others", tested_on="others (folder, 9 images)", protocol="subject"),
        measured("net"),
        measured("net, subjects", protocol="subject"),
    ]
    pd.DataFrame({"case": ["a"], "ours_ms": [1.0]}).to_csv(tmp_path / "overhead.csv", index=False)
    table = compared(tmp_path, [claim()], rows)
    assert table[["as_paper_label", "honest_label", "measured_on"]].to_numpy().tolist() == [
        ["net", "net, subjects", "cells"]
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ensemble of 2: net_a, net_b", ""),
        ("ensemble of 2: net_b, net_a", ""),
        ("ensemble of 2: net_a, net_c", "not measured here"),
        ("ensemble of 3: net_a, net_b, net_c", "not measured here"),
        ("genetic ensemble of 2: net_a, net_b", "not measured here"),
        ("ensemble_average", ""),
    ],
)
def test_an_ensemble_is_the_papers_with_its_members_only(tmp_path, name, reason):
    claims = [claim("ensemble_average", method="average", members="net_a net_b")]
    assert compared(tmp_path, claims, [measured(experiment=name)])["reason"].tolist() == [reason]


def test_missing_tables_papers_and_labels_are_errors(tmp_path):
    with pytest.raises(UserError, match="no claims at"):
        read_claims(tmp_path)
    with pytest.raises(UserError, match="no claims of paper 007: choose from 009"):
        compared(tmp_path, [claim()], [measured()], papers=("007",))
    with pytest.raises(UserError, match="departures.csv names 'gone'"):
        compared(tmp_path, [claim()], [measured()], departures=[["gone", "72 px"]])
    (tmp_path / "some.csv").unlink()
    with pytest.raises(UserError, match="no measured results"):
        compare(tmp_path)


def test_no_committed_claim_is_reached_on_a_sample():
    table = compare(ROOT / "results")
    assert set(read_claims(ROOT / "results")["experiment"]) == set(table["experiment"])
    assert {"ensemble_average", "ensemble_genetic"} <= set(table["experiment"])
    sample = table[table["measured_on"].isin(["cnmc", "hem_all"])]
    assert len(sample) >= 5
    few = r"\b95 of 1[03],[0-9]{3} images|\b(?:19|21) of 2,[0-9]{3} test images"
    assert sample["reason"].str.contains(few).all()
    assert (sample["verdict"] == NOT_COMPARABLE).all()
