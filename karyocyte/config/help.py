"""The help pages of the commands that Hydra composes, train.py and scripts/tune.py."""

import textwrap
from collections.abc import Sequence

from karyocyte.common.installed import conf_files, conf_groups
from karyocyte.config.defaults import primaries

EXAMPLES = "Examples:"  # the title of a part of the text
WIDTH = 80


def print_help(text: str, groups: Sequence[str] = ()) -> None:
    """Print a text with the names in groups of conf/ before its examples; no groups: all, and other networks."""
    about, examples = text.strip().split(f"\n{EXAMPLES}\n")
    print(about)
    listed = {group: [path.stem for path in conf_files(group)] for group in groups or conf_groups()}
    if not groups:
        listed["--config-name"] = primaries()
    for group, names in listed.items():
        line = f"  {group}: {', '.join(names)}"
        print(textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False))
    print(f"\n{EXAMPLES}\n{examples}")
