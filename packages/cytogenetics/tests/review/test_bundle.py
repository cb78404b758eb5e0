"""What the review page reads stays in its folder."""

import json
from functools import partial

import pytest

from cytogenetics.review.cell_bundle import ReviewBundle
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import CellDecisions
from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.review.bundles import write_cells
from tests.faults.artefacts import DAMAGES

STEMS = ("../../secret", "a\0", "", "..\\a")


@pytest.mark.parametrize(
    "change",
    [
        *(partial(lambda stem, values: values["cells"][0].update(stem=stem), stem) for stem in STEMS),
        lambda values: values["priors"].update(loss=2),
    ],
)
def test_a_cell_outside_of_the_folder_and_other_priors_are_refused(tmp_path, change):
    index = write_cells(tmp_path / "out").folder / "index.json"
    values = json.loads(index.read_text())
    change(values)
    index.write_text(json.dumps(values))
    Checksums(tmp_path / "out", "review/index.json", "").add("review/index.json")
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        ReviewBundle(tmp_path / "out")


def read_all(output):
    CellReview(output).shown("c0", CellDecisions())
    ReviewBundle(output).picture("c0")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["index.json", "c0.json", "c0.png"])
def test_what_was_changed_after_it_was_written_is_named(tmp_path, name, damage):
    folder = write_cells(tmp_path / "out").folder
    other = write_cells(tmp_path / "other", name="{:03d}.png", cells=3).folder
    DAMAGES[damage](folder / name, other / name.replace("c0.png", "c1.json"))
    with pytest.raises(UserError, match=rf"{name} |has no review/{name}"):
        read_all(tmp_path / "out")
