"""The help page of every command ends with examples that fit a terminal and could be typed."""

import importlib
import re
import shlex
import sys

import pytest
from typer.main import get_command

from benchmarks.structure import CodeBase
from common.config.help import print_help
from common.paths import ROOT

WIDTH = 78  # of 80 characters, of which the page leaves one on each side
APPS = [path for path in CodeBase().tracked("*.py") if "\napp = typer.Typer(**TYPER" in (ROOT / path).read_text()]
FILES = [path for path in APPS if "__main__" in (ROOT / path).read_text()]


def commands(command, words=()):
    """Yield each command of an app with the words that call it: a group first, then its members."""
    yield words, command
    for name, member in getattr(command, "commands", {}).items():
        yield from commands(member, (*words, name))


def started_by(path):
    """Return the words that start a file: a script, the folder of a script, or a module."""
    place = path.parent if path.name == "__main__.py" else path
    if path.parts[0] == "scripts":
        return ["python", str(place)]
    return ["python", "-m", ".".join(place.with_suffix("").parts)]


@pytest.fixture(autouse=True)
def unchanged_interpreter(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_command_has_examples_that_name_its_options(path):
    app = importlib.import_module(".".join(path.with_suffix("").parts)).app
    every = dict(commands(get_command(app)))
    for words, command in every.items():
        title, *examples = (command.epilog or "").splitlines()
        assert title == "[bold]Examples:[/bold]"
        own = [example for example in examples if starts(example, [*started_by(path), *words])]
        assert own
        for example in examples:
            assert len(example) <= WIDTH
            assert_named_files_exist(example)
        for example in own:
            assert_options_exist(example, every[member_of(example, every, path)])


@pytest.mark.parametrize(("name", "groups"), [("train", ()), ("scripts.tune", ("search",))])
def test_commands_of_hydra_print_examples_last(capsys, name, groups):
    print_help(importlib.import_module(name).__doc__, groups)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH + 2
    examples = lines[lines.index("Examples:") + 1 :]
    assert examples
    for example in examples:
        assert_named_files_exist(example)


def starts(example, words):
    return shlex.split(example)[: len(words)] == words


def member_of(example, every, path):
    """Return the words of the command that an example calls: of a group's example those of a member."""
    return max((words for words in every if starts(example, [*started_by(path), *words])), key=len)


def assert_options_exist(example, command):
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    required = {parameter.opts[0] for parameter in command.params if parameter.required and "--" in parameter.opts[0]}
    named = {word for word in shlex.split(example.removeprefix("python -m ")) if word.startswith("-")}
    assert required <= named <= options


def assert_named_files_exist(example):
    for group, name in re.findall(r"\+(\w+)=(\w+)", example):
        assert (ROOT / "conf" / group / f"{name}.yaml").is_file()
    for name in re.findall(r" (?:outputs/)?(\w+)/(?:latest|subject)", example):
        assert (ROOT / "conf" / "experiment" / f"{name}.yaml").is_file()
