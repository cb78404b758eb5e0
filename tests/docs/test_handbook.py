"""The reference comes from the comments of conf/ and from the help of the commands."""

import pytest

from docs import handbook
from karyocyte.common import installed
from karyocyte.common.paths import ROOT


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A folder conf/ with a group of two options."""
    monkeypatch.setattr(installed, "conf_folders", lambda: [tmp_path])
    (tmp_path / "colour").mkdir()
    (tmp_path / "run.yaml").write_text("defaults: []\n")
    (tmp_path / "train.yaml").write_text("defaults:\n  - colour: red\nsize: 3  # of it, as\n         # in e.g. 3\n")
    red = "# Red (Who et al. 2001), warm. And more.\n#   python train.py colour=red\nshade: {light: 1}  # a | b\n"
    (tmp_path / "colour" / "red.yaml").write_text(red + "deep:  # all of it\n  name: 'a # b'\n")
    (tmp_path / "colour" / "blue.yaml").write_text("# @package _global_\n# Blue: cold.\nshade: 2\n")
    return tmp_path


def test_keys_have_their_default_and_their_comment(conf):
    assert "| `size` | of it, as in e.g. 3 | `3` |" in handbook.keys("train", conf)
    assert "defaults" not in handbook.keys("train", conf)


def test_the_default_option_explains_the_keys_of_a_group(conf):
    rows = handbook.group_keys("colour", conf).splitlines()[2:]
    assert rows == [
        "| `colour.shade` | a \\| b | `{light: 1}` | `red` |",
        "| `colour.deep.*` | all of it |  | `red` |",
        "| `colour.deep.name` |  | `'a # b'` | `red` |",
        "| `shade` |  | `2` | `blue` |",
    ]


def test_every_option_group_has_descriptions():
    for group in installed.conf_groups():
        for row in handbook.options(group, ROOT).splitlines()[2:]:
            assert not row.endswith("|  |"), (group, row)


def test_examples_of_a_command_are_blocks_to_copy():
    text = handbook.commands(("karyocyte.commands.prepare_data",), ROOT)
    assert text.startswith("### `python scripts/prepare_data.py`")
    assert "```bash\npython scripts/prepare_data.py " in text
    assert "<span" not in text
    assert "* `--before-after <path>`" in text
