"""Tables, page and review show the same numbers of a cell, until a reader decides."""

import re

import pandas as pd
import pytest

from cytogenetics.commands.karyotype import app
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import CellDecisions
from cytogenetics.trained.pictures import BUILT_IN
from packages.cytogenetics.tests.metaphases.data.sets import drawn_metaphase
from packages.cytogenetics.tests.review.bundles import decision
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import write_image
from tests.helpers.terminal import run_app

pytestmark = pytest.mark.skipif(not BUILT_IN.is_dir(), reason="models/chromosomes is not there")


@pytest.fixture(params=["chromosomes", "metaphases"])
def output(request, tmp_path):
    """The output for a cell of single chromosomes, or for the picture of a metaphase, whose boxes are in doubt."""
    place = tmp_path / "pictures"
    if request.param == "metaphases":
        write_image(place / "one.png", drawn_metaphase().pixels)
    else:
        place = write_chromosomes(tmp_path / "set", cases=1) / "labels.csv"
        (place.parent / pd.read_csv(place)["path"][0]).write_text("no image")
    run_app(app, place, "--output", tmp_path / "out", f"input={request.param}")
    return tmp_path / "out"


def tables(output):
    names = dict.fromkeys(("cell", "class", "runner_up"), str)
    cells, files = (pd.read_csv(output / f"{name}.csv", dtype=names) for name in ("karyotypes", "chromosomes"))
    return cells.iloc[0], files[(files["cell"] == cells["cell"][0]) & (files["status"] == "used")]


def test_the_review_shows_what_the_tables_and_the_page_say_until_a_reader_decides(output):
    cell, files = tables(output)
    review = CellReview(output)
    stem = next(line["stem"] for line in review.queue() if line["title"].endswith(cell["cell"]))
    image = files["file"].iloc[0]
    unchanged = CellDecisions([decision(name, cell=stem, image=image, text="bent") for name in ("turn", "note")])
    for decisions in (CellDecisions(), unchanged):
        shown = review.shown(stem, decisions)
        assert shown["result"] == cell["karyotype"]
        assert shown["probability"] == pytest.approx(cell["probability"], abs=1e-6)
        assert shown["doubt"] == pytest.approx(cell["expected_wrong"], abs=1e-6)
        assert "; ".join(shown["reasons"]) == ("" if pd.isna(cell["reason"]) else cell["reason"])
        assert [one["name"] for one in shown["files"]] == files["file"].tolist()
        assert [one["class"] for one in shown["files"]] == files["class"].tolist()
        assert [one["doubtful"] for one in shown["files"]] == (files["doubtful"] == "yes").tolist()
        probabilities = [one["probability"] for one in shown["files"]]
        assert probabilities == pytest.approx(files["probability"].tolist(), abs=1e-6)
        second = [(one["others"] or [(None, 0.0)])[0][1] for one in shown["files"]]
        assert second == pytest.approx(files["runner_up_probability"].tolist(), abs=0.0011)  # less is not listed
    said = re.search(r"probability ([<>]? ?[\d.]+)</small>", (output / "index.html").read_text().replace("&gt;", ">"))
    assert said[1] in (f"{cell['probability']:.2f}", "> 0.99", "< 0.01")
    fixed = CellDecisions([decision("move", cell=stem, image=image, to=files["class"].iloc[0])])
    solved = review.shown(stem, fixed)
    assert solved["files"][0]["fixed"]
    assert solved["doubt"] < shown["doubt"]
    unread = "1 file that cannot be read"  # of the single chromosomes
    assert (unread in solved["reasons"]) == (unread in shown["reasons"]) == ("cannot be read" in str(cell["reason"]))
