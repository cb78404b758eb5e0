"""The commands of the tutorials, which tests run."""

import re
from pathlib import Path

from karyocyte.common.paths import ROOT

TUTORIALS = ROOT / "docs" / "tutorials"
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Return the commands of all bash blocks of a page, those of several lines as one line."""
    return re.sub(r"\\\n *", "", "".join(blocks(page.read_text(encoding="utf-8")))).splitlines()


def blocks(text: str) -> list[str]:
    """Return the bash blocks of a page."""
    return _BLOCK.findall(text)
