"""The reference of the handbook: commands from their Typer apps, options from the files of conf/."""

import importlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from karyocyte.common.installed import conf_files, conf_groups
from karyocyte.common.paths import ROOT

EXAMPLES = re.compile(r"^\[bold\]Examples:\[/bold\]\n((?:python .*\n)+)", re.MULTILINE)
# What every command has alike: its arguments, options and examples say how it is typed.
ALIKE = re.compile(
    r"\*\*Usage\*\*:\n\n```console\n.*?```\n\n|^\* `--help`: [^\n]*\n|^--accept-changes: [^\n]*\n\n",
    re.MULTILINE | re.DOTALL,
)
SENTENCE = re.compile(r"(.+?)(?<!et al)\.(?=\s[A-Z]|$)")


def commands(names: tuple[str, ...], results: Path) -> str:
    """Return the help of some commands as Markdown, such as ``karyocyte.commands.evaluate``."""
    return "\n".join(_command(name) for name in names)


def options(group: str, results: Path) -> str:
    """Return a table of the options of a group of conf/, such as ``model``, with their files and what these say."""
    lines = ["| option | description |", "|:-------|:------------|"]
    for file in conf_files(group):
        link = f"../../{file.relative_to(ROOT).as_posix()}"
        lines.append(f"| [`{file.stem}`]({link}) | {_cell(first_sentence(heading(file)))} |")
    return "\n".join(lines)


def heading(file: Path) -> str:
    """Return the comment at the head of a YAML file as one line, without examples."""
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") or line.startswith("#  "):  # the end, or an example
            break
        if not line.startswith("# @package"):
            words.append(line.removeprefix("#").strip())
    return " ".join(words)


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, without its full stop."""
    match = SENTENCE.match(text)
    return match[1] if match else text


def _cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return re.sub(r"<(?=[^`]*(?:`[^`]*`[^`]*)*$)", "&lt;", text).replace("|", "\\|")


def _command(name: str) -> str:
    """Return the help of one command as Markdown."""
    module = importlib.import_module(name)
    typed = _typed(name)
    if not isinstance(module.app, typer.Typer):  # composed by Hydra, as train.py is
        return f"### `{typed}`\n\n```text\n{str(module.__doc__).strip()}\n```\n"
    command = get_command(module.app)
    context = typer.Context(command, info_name=typed, obj={"TYPER_RICH_MARKUP_MODE": "rich"})
    text = get_docs_for_click(obj=command, ctx=context, indent=2, name=typed)
    text = ALIKE.sub("", text)
    return EXAMPLES.sub(r"**Examples**:\n\n```bash\n\1```\n", text).rstrip() + "\n"


def _typed(name: str) -> str:
    """Return how a command is typed: ``python scripts/evaluate.py``, ``python -m docs.tables``."""
    package = name.removesuffix(".__main__")
    if ".commands." not in package:
        return f"python -m {package}"
    return f"python scripts/{package.rpartition('.')[2]}.py"


SCRIPTS = (
    *("karyocyte.commands.prepare_data", "reproduction.commands.reproduce", "karyocyte.commands.evaluate"),
    *("karyocyte.commands.report", "karyocyte.commands.predict", "cytogenetics.commands.karyotype"),
    *("cytogenetics.commands.review", "cytogenetics.commands.measure_karyotypes", "karyocyte.commands.explain"),
    *("karyocyte.commands.ensemble", "karyocyte.commands.export", "karyocyte.commands.tune"),
    *("karyocyte.commands.sweep_status", "reproduction.commands.figures"),
)
BLOCKS: dict[str, Callable[[Path], str]] = {
    "commands": partial(commands, SCRIPTS),
    **{f"options_{name}": partial(options, name) for name in conf_groups()},
}
