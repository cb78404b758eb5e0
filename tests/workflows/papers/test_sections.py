"""The page of a reproduced paper shows every printed figure, what it cost, and what is missing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workflows.papers.sections import ReproductionFacts, StepCost, write_reproduction_page

FIGURE = {"experiment": "vgg16_cut_block5", "section": "3.3.1.3.2", "part": "test", "metric": "f1_weighted"}


@pytest.fixture
def figures():
    ours = {"as_paper": "0.921", "as_paper_low": "0.905", "as_paper_high": "0.934", "as_paper_minutes": "7.25"}
    nothing = dict.fromkeys(("honest", "honest_low", "honest_high", "honest_minutes"), np.nan)
    measured = {
        **FIGURE,
        "headline": True,
        "printed": "0.9183",
        **ours,
        **nothing,
        "verdict": "reproduced",
        "reason": np.nan,
    }
    missing = {**dict.fromkeys(ours, np.nan), **nothing, "verdict": "not comparable", "reason": "not measured here"}
    table = pd.DataFrame([measured, {**FIGURE, "metric": "auc", "headline": False, "printed": "0.96", **missing}])
    return table.assign(deviation="torchvision's weights")


def page_of(tmp_path: Path, figures: pd.DataFrame, **facts: object) -> str:
    picture = tmp_path / "roc.png"
    Image.new("RGB", (4, 4)).save(picture)
    steps = [StepCost("images", "python scripts/prepare_data.py <x>", 90.0, 60.0, 1.24, succeeded=False)]
    settings = {"settings": "1 experiment", "warnings": ["unfinished runs of vgg16_features"], "pages": {}, **facts}
    about = ReproductionFacts("004", "A title", steps=steps, pictures={"ROC": picture}, **settings)
    write_reproduction_page(tmp_path / "page.html", figures, about)
    return (tmp_path / "page.html").read_text()


def test_the_page_has_each_figure_with_ours_and_the_verdict(tmp_path, figures):
    page = page_of(tmp_path, figures)
    assert "0.9183" in page
    assert "0.921 <span>(0.905 to 0.934)</span>" in page
    assert '<td class="figure">7.2</td>' in page
    assert page.count("not measured here") == 1
    assert page.count("Known deviation: torchvision") == 2
    assert "nan" not in page
    counts = {label: page.split(f"<dt>{label}</dt><dd><strong>")[1][0] for label in ("reproduced", "not comparable")}
    assert counts == {"reproduced": "1", "not comparable": "1"}


def test_the_page_says_what_is_missing_and_what_a_step_cost(tmp_path, figures):
    page = page_of(tmp_path, figures, pages={"Report": "paper/report.html"})
    assert "unfinished runs of vgg16_features" in page
    assert "1.5" in page  # minutes
    assert "failed" in page
    assert "&lt;x&gt;" in page  # nothing of a command is read as HTML
    assert '<a href="paper/report.html">Report</a>' in page
    assert 'src="data:image/png;base64,' in page


def test_each_figure_names_the_numbers_of_its_own_reasons(tmp_path, figures):
    more = figures.iloc[[1]].assign(
        metric="epoch_loss", part="train", reason="128 px instead of 300; not measured here"
    )
    page = page_of(tmp_path, pd.concat([figures, more]))
    assert "Not comparable: 1. not measured here; 2. 128 px instead of 300." in page
    assert ">not comparable 1<" in page
    assert ">not comparable 1, 2<" in page
    assert "mean over the batches of an epoch, with dropout" in page


def test_reasons_that_all_figures_share_have_no_numbers(tmp_path, figures):
    page = page_of(tmp_path, figures.iloc[[1]].assign(headline=True))
    assert "Not comparable: not measured here." in page
    assert ">not comparable<" in page
