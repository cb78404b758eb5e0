"""The commands of the tutorials, which tests run."""

import re
from pathlib import Path

from common.paths import ROOT

TUTORIALS = ROOT / "docs" / "tutorials"
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Return the commands of all bash blocks of a page, those of several lines as one line."""
    blocks = "".join(_BLOCK.findall(page.read_text(encoding="utf-8")))
    return re.sub(r"\\\n *", "", blocks).splitlines()
