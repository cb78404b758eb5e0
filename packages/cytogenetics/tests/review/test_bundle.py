"""What the review page reads stays in its folder."""

import json
from functools import partial

import pytest

from cytogenetics.review.cell_bundle import ReviewBundle
from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.review.bundles import write_cells

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
