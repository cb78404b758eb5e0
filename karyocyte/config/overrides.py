"""The words of a command line: Hydra's overrides and flags, checked and quoted before Hydra sees them."""

import os
import re
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.common.installed import run_keys

FOLDER_KEYS = (*run_keys(), "data_dir", "weights_dir", "output_dir", "cache_dir")
PATH_KEYS = (*FOLDER_KEYS, "weights", "data.file", "search.out")
PATTERN_KEYS = ("data.subject_regex", "data.cell_regex")
# Text that is divided at its commas: it has no quotes or escapes, and is no list, mapping or function of Hydra's.
_LISTED = re.compile(r"(?![\[{]|\w+\()[^\"'$\\]*")
# Keys whose values are names of people's classes, parts and columns: they may be called true, 1e3 or a=b.
_NAME_KEY = re.compile(r"name|split\.(test|given_validation)|data\.(\w+\.)?(positive_class|\w+_column)")
_NAMES_KEY = re.compile(r"data\.(\w+\.)?classes")
# Of Hydra.
FLAGS_WITH_VALUE = (
    "--cfg", "-c", "--info", "-i", "--package", "-p",
    "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd",
)  # fmt: skip


def check_words(words: Sequence[str]) -> None:
    """Check that each word of a command line is a flag or an override ``key=value``; a ``UserError`` names another."""
    for before, word in zip(("", *words), words, strict=False):
        if "=" not in word and not word.startswith(("-", "~")) and before not in FLAGS_WITH_VALUE:
            right = "type such as +experiment=<name> or seed=1, without blanks around =, and text with blanks in quotes"
            raise UserError(f"{word!r} is not key=value: {right}")
        if key_of(word).startswith(("hydra.run.", "hydra.sweep.", "hydra.job.")):
            raise UserError(f"{word} has no effect: leave it out, output_dir is the folder of all runs")


def is_multirun() -> bool:
    """Tell whether the command line of this process asks for several jobs."""
    return any(word in ("-m", "--multirun") or word.startswith("+sweep=") for word in sys.argv)


def help_asked() -> bool:
    """Tell whether the command line of this process asks for the help page."""
    return not {"-h", "--help"}.isdisjoint(sys.argv[1:])


def primary_typed() -> str:
    """Return the name of the primary configuration that this process was called with: ``--config-name``."""
    name: str = _flags().config_name
    return name.removesuffix(".yaml")


def config_dir_typed() -> Path | None:
    """Return the folder ``--config-dir`` that this process was called with, as a whole path."""
    folder: Path | None = _flags().config_dir
    return folder and folder.absolute()


def composition_flags() -> tuple[str, ...]:
    """Return ``--config-name`` and ``--config-dir`` of this process, for commands that it starts."""
    primary, folder = primary_typed(), config_dir_typed()
    name = () if primary == "train" else ("--config-name", primary)
    return (*name, "--config-dir", str(folder)) if folder else name


def _flags() -> Namespace:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-name", "-cn", default="train")
    parser.add_argument("--config-dir", "-cd", type=Path)
    flags = parser.parse_known_args(sys.argv[1:])[0]
    if flags.config_dir and not flags.config_dir.is_dir():
        raise UserError(f"--config-dir {flags.config_dir}: there is no such folder")
    return flags


def expand_home(word: str) -> str:
    """Return a word of a command line with the home in place of ``~``, which shells leave in ``key=~/folder``."""
    return re.sub(r"(^|[=,])~(?=[/,]|$)", lambda before: before[1] + os.path.expanduser("~"), word)  # noqa: PTH111


def quote_text(argument: str) -> str:
    """Quote the value of an override that is a path, a pattern or names, where Hydra would not take it as it is typed.

    Every run's folder holds a ``=`` (``seed=0``), a class may be called true; null stays none. Values with commas
    between are those of a multirun, unless the whole text is a path that exists.
    """
    key, equals, value = argument.partition("=")
    is_text = key_of(key) in (*PATH_KEYS, *PATTERN_KEYS) or _NAME_KEY.fullmatch(key_of(key))
    is_list = _NAMES_KEY.fullmatch(key_of(key))
    if not equals or not (is_text or is_list) or value[:1] in ("'", '"'):
        return argument
    if is_list:
        return f"{key}={_quote_items(value)}"
    exists = os.path.exists(value.removeprefix("local-dir:"))  # noqa: PTH110 (Path fails for long texts)
    if key_of(key) in PATTERN_KEYS or exists or not _LISTED.fullmatch(value):
        return f"{key}={_quote(value)}"
    return f"{key}={','.join(map(_quote, value.split(',')))}"


def _quote_items(value: str) -> str:
    """Quote the names in ``[a,true]``, where null is a name too."""
    items = value.removeprefix("[").removesuffix("]")
    if value == f"[{items}]" and _LISTED.fullmatch(items):
        names = [f'"{item}"' if item.lower() == "null" else _quote(item) for item in items.split(",")]
        return f"[{','.join(names)}]"
    return value


def _quote(value: str) -> str:
    """Quote a text unless Hydra reads it as it stands, as none, or with the escapes of its grammar."""
    readable, read = _read(value)
    same = str(read) == value.strip() and not isinstance(read, bool)  # a class may be called True
    if readable and (read is None or "\\" in value or same):
        return value
    quoted = _in_quotes(value)
    return quoted if _read(quoted)[0] else value


def _read(value: str) -> tuple[bool, object]:
    """Tell whether Hydra's grammar reads a value, and as what; functions such as range(0,4) are their text."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"key={value}")
    except HydraException:
        return False, None
    read = override.value()
    if override.is_sweep_override() and not (isinstance(read, ChoiceSweep) and read.simple_form):
        return True, value
    return True, read


def typed_text(key: str, value: str) -> str:
    """Return the override that gives a key a text, as it is typed in a shell: a class may be called null, or a,b."""
    return shlex.quote(f"{key}={value if _is_plain(value) else _as_text(value)}")


def typed_names(key: str, names: Sequence[str]) -> str:
    """Return the override that gives a key a list of names, as it is typed in a shell."""
    if not all(map(_is_plain, names)):
        names = [_as_text(name) for name in names]  # where one has quotes, Hydra reads the others as values
    return shlex.quote(f"{key}=[{','.join(names)}]")


def _is_plain(name: str) -> bool:
    return name.lower() != "null" and re.fullmatch(r"[\w.-]+", name) is not None


def _as_text(value: str) -> str:
    """Quote a name in which ``${`` begins no reference to a key."""
    return _in_quotes(value).replace("${", "\\${")


def _in_quotes(value: str) -> str:
    return '"' + value.replace('"', '\\"') + '"'


def overrides_outside(overrides: Iterable[str], sections: Collection[str]) -> tuple[str, ...]:
    """Return the overrides outside some sections, such as "cluster" for +cluster=slurm and cluster.jobs=2."""
    return tuple(word for word in overrides if re.split("[./]", key_of(word))[0] not in sections)


def key_of(override: str) -> str:
    """Return the key of an override, such as "seed" of "seed=0" and "experiment" of "+experiment=a"."""
    return override.lstrip("+~").partition("=")[0]
