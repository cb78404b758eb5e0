"""The links of the front page lead somewhere."""

import re

import pytest

from karyocyte.common.paths import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\(([^)\s:]+)\)", TEXT)))


def anchors(page: str) -> set[str]:
    """Return the anchors that a code host gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", LINKS)
def test_a_link_leads_to_a_file_and_a_heading(link):
    path, _, anchor = link.partition("#")
    assert (ROOT / path).exists()
    if anchor:
        assert anchor in anchors((ROOT / path).read_text(encoding="utf-8"))
