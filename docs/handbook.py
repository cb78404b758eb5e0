"""The reference of the handbook: commands from their Typer apps, configuration keys from the comments of conf/."""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
import yaml
from typer.cli import get_docs_for_click
from typer.main import get_command

from karyocyte.__main__ import module_of
from karyocyte.common.installed import conf_file, conf_files, conf_groups
from karyocyte.config.defaults import primaries

COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")
EXAMPLES = re.compile(r"^\[bold\]Examples:\[/bold\]\n((?:python .*\n)+)", re.MULTILINE)
# What every command has alike: its arguments, options and examples say how it is typed.
ALIKE = re.compile(r"\*\*Usage\*\*:\n\n```console\n.*?```\n\n|^\* `--help`: [^\n]*\n", re.MULTILINE | re.DOTALL)
SENTENCE = re.compile(r"(.+?)(?<!et al)\.(?=\s[A-Z]|$)")
FILES = ("run", "train", *primaries()[1:], "predict", "karyotype", "ensemble", "explain")
# Groups whose files have keys of their own; those of the others are keys of conf/run.yaml and conf/train.yaml.
GROUPS_WITH_KEYS = (
    "data", "model", "unfreeze", "balance", "transform", "optimizer", "scheduler", "loss", "trainer", "callbacks",
    "logger", "cluster", "search",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A key of a YAML file.

    Attributes:
        name: Dotted.
        default: Its value as it is written; empty for a section.
        comment: The comment beside it.
    """

    name: str
    default: str
    comment: str


def commands(names: tuple[str, ...], results: Path) -> str:
    """Return the help of some commands as Markdown, such as ``karyocyte.commands.evaluate``."""
    return "\n".join(_command(name) for name in names)


def keys(file: str, results: Path) -> str:
    """Return a table of the keys of a file of conf/, such as ``train``, with their defaults and comments."""
    lines = ["| key | meaning | default |", "|:----|:--------|:--------|"]
    for key in read_keys(conf_file(file)):
        default = f"`{key.default}`" if key.default else ""
        lines.append(f"| `{key.name}` | {_cell(key.comment)} | {_cell(default)} |")
    return "\n".join(lines)


def group_keys(group: str, results: Path) -> str:
    """Return a table of the keys of all options of a group, each with the options that set it."""
    found: dict[str, list[tuple[str, Key]]] = {}
    default_option = default_options().get(group, "")
    for file in sorted(conf_files(group), key=lambda file: file.stem != default_option):
        prefix = "" if "@package _global_" in file.read_text(encoding="utf-8") else f"{group}."
        for key in read_keys(file):
            found.setdefault(prefix + key.name, []).append((file.stem, key))
    lines = ["| key | meaning | default | set by |", "|:----|:--------|:--------|:-------|"]
    for name, uses in found.items():
        comment = next((key.comment for _, key in uses if key.comment), "")
        shown = [
            f"`{name}`",
            comment,
            _defaults({option: key.default for option, key in uses}),
            _set_by([option for option, _ in uses]),
        ]
        lines.append(f"| {' | '.join(map(_cell, shown))} |")
    return "\n".join(lines)


def options(group: str, results: Path) -> str:
    """Return a table of the options of a group of conf/, such as ``model``, and what their files say of them."""
    lines = ["| option | description |", "|:-------|:------------|"]
    for file in conf_files(group):
        lines.append(f"| `{file.stem}` | {_cell(first_sentence(heading(file)))} |")
    return "\n".join(lines)


def default_options() -> dict[str, str]:
    """Return the option that train.py takes of each group."""
    files = [conf_file(name).read_text(encoding="utf-8") for name in ("run", "train")]
    listed = [entry for text in files for entry in yaml.safe_load(text)["defaults"]]
    return {group: option for entry in listed if isinstance(entry, dict) for group, option in entry.items()}


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


def read_keys(file: Path) -> list[Key]:
    """Return the keys of a YAML file in their order, but for Hydra's own (``defaults``, ``hydra``)."""
    text = file.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return []
    found = list(_keys_of(root, text.splitlines(), ""))
    return [key for key in found if key.name.partition(".")[0] not in ("defaults", "hydra")]


def _keys_of(mapping: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Key]:
    for name, value in mapping.value:
        dotted = f"{prefix}{name.value}"
        comment = _comment_at(lines, value.start_mark.line if not _is_block(value) else name.start_mark.line)
        if _is_block(value):
            if comment:
                yield Key(f"{dotted}.*", "", comment)
            yield from _keys_of(value, lines, f"{dotted}.")
        else:
            yield Key(dotted, _source(value, lines), comment)


def _is_block(value: yaml.Node) -> bool:
    return isinstance(value, yaml.MappingNode) and not value.flow_style


def _source(value: yaml.Node, lines: list[str]) -> str:
    """Return a value as it is written, on one line."""
    start, end = value.start_mark, value.end_mark
    if start.line == end.line:
        return lines[start.line][start.column : end.column]
    dumped = yaml.safe_load(yaml.serialize(value))
    return yaml.safe_dump(dumped, default_flow_style=True, width=1000).strip()


def _comment_at(lines: list[str], number: int) -> str:
    """Return the comment at the end of a line, with the lines below it that hold nothing else."""
    match = COMMENT.search(_without_quotes(lines[number]))
    if not match:
        return ""
    words = [match[1]]
    for line in lines[number + 1 :]:
        if not line.lstrip().startswith("#") or not line.startswith(" "):
            break
        words.append(line.strip().removeprefix("#").strip())
    return " ".join(words)


def _without_quotes(line: str) -> str:
    """Return a line of YAML without the number signs within its quoted texts."""
    return re.sub(r"\"[^\"]*\"|'[^']*'", lambda text: text[0].replace("#", " "), line)


def _cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return re.sub(r"<(?=[^`]*(?:`[^`]*`[^`]*)*$)", "&lt;", text).replace("|", "\\|")


def _defaults(by_option: dict[str, str]) -> str:
    """Return the default of a key, or those of its options where these are few and differ."""
    options: dict[str, list[str]] = {}
    for option, default in by_option.items():
        if default:
            options.setdefault(default, []).append(option)
    if len(options) == 1:
        return f"`{next(iter(options))}`"
    shown = [f"`{default}` ({names[0]}{', ...' if len(names) > 1 else ''})" for default, names in options.items()]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")


def _set_by(options: list[str]) -> str:
    """Return the first options that set a key, and how many others do."""
    shown = ", ".join(f"`{option}`" for option in options[:3])
    return shown if len(options) <= 3 else f"{shown} and {len(options) - 3} more"


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


SCRIPTS = tuple(
    module_of(name)
    for name in (
        "prepare-data", "reproduce", "evaluate", "report", "predict", "karyotype", "review",
        "measure-karyotypes", "explain", "ensemble", "export",
        "tune", "sweep-status",
    )
) + ("reproduction.commands.figures",)  # fmt: skip
BLOCKS: dict[str, Callable[[Path], str]] = {
    "commands": partial(commands, SCRIPTS),
    **{f"keys_{name}": partial(keys, name) for name in FILES},
    **{f"keys_{name}": partial(group_keys, name) for name in GROUPS_WITH_KEYS},
    **{f"options_{name}": partial(options, name) for name in conf_groups()},
}
