"""The commands on all pages name scripts, options and configuration keys that exist."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from docs.tables import pages
from karyocyte.common.paths import ROOT
from tests.helpers.training import composed

BLOCK = re.compile(r"^```(?:bash|console|text)\n(.*?)^```|((?:^ {4}.*\n)+)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\s*(?:[A-Z_]+=\S+\s+)*python ((?:train\.py|scripts/).*)")
PLACEHOLDER = re.compile(r"<[^<>\n]*>|\$\([^)]*\)|\.\.\.|\[[^\]\n]*=[^\]\n]*\](?= |$)", re.MULTILINE)
REMARK = re.compile(r" {2,}[a-z].*| # .*")  # what a line says of its command
LIST = re.compile(r"^([^=]+)=(?:range\((\d+),.*|([^,\[\]{}()'\"]+),.*)$")  # several values of a multirun
BY_HYDRA = ("train.py", "scripts/tune.py", "scripts/prepare_data.py")
PAGES = [page for page in pages() if page.name != "extending.md"]  # tests of their own run its recipes, which add keys


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in the blocks of a page, ``python`` left out."""
    for fenced, indented in BLOCK.findall(text):
        for line in (fenced or indented).replace("\\\n", " ").splitlines():
            typed = COMMAND.match(line)
            if typed:
                words = REMARK.sub("", re.sub(r"(?<=\S) {2,}(?=\S*[=./-])", " ", typed[1]))
                yield shlex.split(PLACEHOLDER.sub("PLACEHOLDER", words))


def config_of(words: list[str]) -> object:
    """Compose the overrides of a command; of several values of a multirun the first."""
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    first = [LIST.sub(lambda match: f"{match[1]}={match[2] or match[3]}", word) for word in overrides]
    kept = [word for word in first if not re.match(r"\+?\+?[a-z_]+=PLACEHOLDER", word) or word.startswith("data_dir")]
    return composed(kept, words[words.index("--config-name") + 1] if "--config-name" in words else "train")


def unknown_options(script: str, words: list[str]) -> set[str]:
    """Return the options that the Typer app of a command lacks."""
    path = Path(script)
    name = ".".join(path.with_suffix("").parts)
    module = importlib.import_module(name if path.suffix else f"{name}.__main__")
    command = get_command(module.app)
    context = typer.Context(command)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.get_command(context, words.pop(0))
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    return used - known - {"--help", "--accept-changes"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_name_options_and_keys_that_exist(page):
    for script, *words in commands(page.read_text(encoding="utf-8")):
        if script in BY_HYDRA:
            assert config_of(words) is not None
        if script not in BY_HYDRA[:2]:
            assert (ROOT / script).exists(), script
            assert not unknown_options(script, words), script
