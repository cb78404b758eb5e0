"""What the review page reads stays in its folder."""

import json

import pytest

from common.errors import UserError
from tests.workflows.review.bundles import write_bundle
from workflows.cell_bundle import ReviewBundle


@pytest.mark.parametrize("stem", ["../../secret", "/etc/passwd", "a\0", "", "a/b", "..\\a"])
def test_a_cell_outside_of_the_folder_is_refused(tmp_path, stem):
    bundle = write_bundle(tmp_path / "out")
    index = bundle.folder / "index.json"
    values = json.loads(index.read_text())
    values["cells"][0]["stem"] = stem
    index.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        ReviewBundle(tmp_path / "out")


def test_other_priors_are_refused(tmp_path):
    bundle = write_bundle(tmp_path / "out")
    index = bundle.folder / "index.json"
    values = json.loads(index.read_text())
    values["priors"]["mystery"] = 1
    index.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        ReviewBundle(tmp_path / "out")
