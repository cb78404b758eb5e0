"""The help pages of all commands are in the handbook, whose commands are checked, and fit a terminal."""

import importlib
import re

import pytest

from common.config.help import WIDTH, print_help
from common.paths import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("[!_]*.py") if path.name != "tune.py")  # of Hydra
PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_has_examples_on_the_page_of_commands(name):
    lines = re.findall(rf"^python scripts/{name} .*", PAGE, re.MULTILINE)
    assert lines
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(("name", "groups"), [("train", ()), ("scripts.tune", ("search",))])
def test_commands_of_hydra_print_examples_last(capsys, name, groups):
    print_help(importlib.import_module(name).__doc__, groups)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[lines.index("Examples:") + 1].startswith("  python ")
