"""The list of docs/explanation/security.md: each line names a test that exists."""

import re

import pytest

from karyocyte.common.paths import ROOT

LIST = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8").partition("## Limits")[0]
ROWS = re.findall(r"^\| (?!what|---)(.*) \|$", LIST, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS)
def test_each_line_has_a_test(row):
    file, name = re.fullmatch(r".* \| `((?:packages/\w+/)?tests/.*\.py)::(test_\w+)`", row).groups()
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
