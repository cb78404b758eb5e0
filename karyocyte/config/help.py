"""The help pages of the commands that Hydra composes, train.py and scripts/tune.py."""

import sys
import textwrap
from collections.abc import Sequence

from karyocyte.common.paths import CONF

EXAMPLES = "Examples:"  # the title of a part of the text
WIDTH = 80


def help_asked() -> bool:
    """Whether the command line asks for the help page."""
    return not {"-h", "--help"}.isdisjoint(sys.argv[1:])


def print_help(text: str, groups: Sequence[str] = ()) -> None:
    """Print a text with the names in groups of conf/ before its examples; no groups: all."""
    about, examples = text.strip().split(f"\n{EXAMPLES}\n")
    print(about)
    for group in groups or sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra"):
        names = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        print(textwrap.fill(f"  {group}: {names}", WIDTH, subsequent_indent="    ", break_on_hyphens=False))
    print(f"\n{EXAMPLES}\n{examples}")
