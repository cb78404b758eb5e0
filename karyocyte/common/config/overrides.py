"""The words of a command line: Hydra's overrides and flags, checked and quoted before Hydra sees them."""

import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.common.paths import CONF

PATH_KEYS = ("init_from", "weights", "data_dir", "weights_dir", "output_dir", "cache_dir", "data.file", "search.out")
PATTERN_KEYS = ("data.subject_regex", "data.cell_regex")
# Of Hydra.
FLAGS_WITH_VALUE = ("--cfg", "-c", "--info", "-i", "--package", "-p", "--config-path", "--config-name", "--config-dir")


def check_words(words: Sequence[str]) -> None:
    """Check that each word of a command line is a flag or an override ``key=value``; a ``UserError`` corrects it."""
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        if word.startswith(("-", "~")) or before in FLAGS_WITH_VALUE:
            continue
        if word == "=" or after.startswith("=") or (word.endswith("=") and after and "=" not in after):
            raise UserError(f"{word!r}: no blanks around =, type key=value")
        if "=" not in word:
            example = "such as +experiment=<name> or seed=1"
            if (CONF / "experiment" / f"{word}.yaml").is_file():
                example = f"+experiment={word}"
            raise UserError(f"{word!r} is not key=value: type {example}")


def is_multirun() -> bool:
    """Tell whether the command line of this process asks for several jobs."""
    return any(word in ("-m", "--multirun") or word.startswith("+sweep=") for word in sys.argv)


def config_dir_words() -> tuple[str, ...]:
    """Return ``--config-dir <whole path>`` where this process was called with it, for commands that it starts."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", type=Path)
    folder = parser.parse_known_args(sys.argv[1:])[0].config_dir
    if folder is None:
        return ()
    return "--config-dir", str(folder.absolute())


def expand_home(word: str) -> str:
    """Return a word of a command line with the home in place of ``~``, which shells leave in ``key=~/folder``."""
    return re.sub(r"(^|[=,])~(?=[/,]|$)", lambda before: before[1] + os.path.expanduser("~"), word)  # noqa: PTH111


def quote_path(argument: str) -> str:
    """Quote the value of an override that is a path or a pattern, where Hydra's grammar cannot read it bare.

    Every run's folder holds a ``=`` (``seed=0``), a path may hold blanks. In a multirun, each value is quoted.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in (*PATH_KEYS, *PATTERN_KEYS) or _is_readable(argument):
        return argument
    quoted = '"' + value.replace('"', '\\"') + '"'
    if is_multirun():
        quoted = quoted.replace(",", '","')
    if _is_readable(f"{key}={quoted}"):
        return f"{key}={quoted}"
    return argument


def _is_readable(argument: str) -> bool:
    """Whether Hydra's grammar reads the override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def without(overrides: Iterable[str], sections: Collection[str]) -> tuple[str, ...]:
    """Return the overrides outside some sections, such as "cluster" for +cluster=slurm and cluster.jobs=2."""
    return tuple(word for word in overrides if re.split("[./]", key_of(word))[0] not in sections)


def key_of(override: str) -> str:
    """Return the key of an override, such as "seed" of "seed=0" and "experiment" of "+experiment=a"."""
    return override.lstrip("+~").partition("=")[0]
