"""Every picture of results/ is on a page."""

import pytest

from common.paths import ROOT
from docs.tables import pages

PICTURES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "results").rglob("*.png"))
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in pages())


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_on_a_page(picture):
    assert f"{picture})" in TEXT
