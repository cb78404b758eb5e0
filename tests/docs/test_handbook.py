"""The reference comes from the files of conf/ and from the help of the commands."""

import re

from docs import handbook
from karyocyte.common import installed
from karyocyte.common.paths import ROOT


def test_every_option_group_has_descriptions():
    for group in installed.conf_groups():
        for row in handbook.options(group, ROOT).splitlines()[2:]:
            name, file, text = re.fullmatch(r"\| \[`(\w+)`\]\(../../(\S+)\) \| (.*) \|", row).groups()
            assert file.endswith(f"conf/{group}/{name}.yaml")
            assert (ROOT / file).is_file()
            assert text, f"begin {file} with a comment that says what it is"


def test_examples_of_a_command_are_blocks_to_copy():
    text = handbook.commands(("karyocyte.commands.prepare_data",), ROOT)
    assert text.startswith("### `python scripts/prepare_data.py`")
    assert "```bash\npython scripts/prepare_data.py " in text
    assert "<span" not in text
    assert "* `--before-after <path>`" in text
