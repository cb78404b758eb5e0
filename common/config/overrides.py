"""The words of a command line: Hydra's overrides and flags, checked and quoted before Hydra sees them."""

import sys
from collections.abc import Sequence

from common.errors import UserError
from common.paths import CONF

PATH_KEYS = ("init_from", "weights", "data_dir", "weights_dir", "output_dir", "cache_dir", "data.file")
PATTERN_KEYS = ("data.subject_regex", "data.cell_regex")
# Hydra's flags, which argparse would also take abbreviated.
FLAGS_WITH_VALUE = ("--cfg", "-c", "--info", "-i", "--package", "-p", "--config-path", "--config-name", "--config-dir")
GLOBAL_GROUPS = ("experiment", "profile", "tuned", "sweep")  # their files change keys of all groups
GLOBAL_PACKAGE = "# @package _global_"
FLAGS_ALONE = ("--help", "--hydra-help", "--version", "--resolve", "--run", "--multirun", "--shell-completion")


def check_words(words: Sequence[str]) -> None:
    """Check that each word of a command line is a flag of Hydra or an override ``key=value``.

    Raises:
        UserError: One is neither; the likely correction is named.
    """
    for position, word in enumerate(words):
        flag = word.split("=")[0]
        if word.startswith("--") and flag not in FLAGS_WITH_VALUE + FLAGS_ALONE:
            raise UserError(f"there is no option {flag}: type key=value, such as +experiment=<name> or seed=1")
        after_flag = position > 0 and words[position - 1] in FLAGS_WITH_VALUE
        if word.startswith(("-", "~")) or after_flag:
            continue
        following = "".join(words[position + 1 : position + 2])
        if word == "=" or following.startswith("=") or (word.endswith("=") and following and "=" not in following):
            raise UserError(f"{word!r}: no blanks around =, type key=value")
        if "=" not in word:
            example = "such as +experiment=<name> or seed=1"
            if (CONF / "experiment" / f"{word}.yaml").is_file():
                example = f"+experiment={word}"
            raise UserError(f"{word!r} is not key=value: type {example}")
        _check_package(word)


def _check_package(word: str) -> None:
    """Refuse ``+experiment=<name>`` of a file without the line by which its keys are those of the whole configuration.

    Hydra would take them for keys below ``experiment``, and say that they cannot be overridden.
    """
    group, _, names = word.removeprefix("+").partition("=")
    if group not in GLOBAL_GROUPS:
        return
    for name in names.split(","):
        file = CONF / group / f"{name}.yaml"
        if file.is_file() and GLOBAL_PACKAGE not in file.read_text(encoding="utf-8"):
            raise UserError(f"conf/{group}/{file.name}: its first line must be {GLOBAL_PACKAGE!r}")


def is_multirun() -> bool:
    """Tell whether the command line of this process asks for several jobs."""
    return any(word in ("-m", "--multirun") or word.startswith("+sweep=") for word in sys.argv)


def quote_path(argument: str) -> str:
    """Quote the value of an override that is a path or a pattern, where Hydra's grammar cannot read it bare.

    Every run's folder holds a ``=`` (``seed=0``), a path may hold blanks and brackets; a shell strips the quotes that
    are typed. Values that Hydra can read stay as they are; in a multirun, each value of a list is quoted.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in (*PATH_KEYS, *PATTERN_KEYS) or _is_readable(argument):
        return argument
    values = value.split(",") if is_multirun() else [value]
    quoted = ",".join('"' + each.replace('"', '\\"') + '"' for each in values)
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


def key_of(override: str) -> str:
    """Return the key of an override, such as "seed" of "seed=0" and "experiment" of "+experiment=a"."""
    return override.lstrip("+~").partition("=")[0]
