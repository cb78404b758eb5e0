"""``karyocyte COMMAND ...``: train.py and the commands of scripts/, wherever the current folder is."""

import sys
from importlib import import_module
from pathlib import Path

from karyocyte.common.errors import close_names
from karyocyte.common.paths import ROOT

COMMANDS = sorted(path.stem.replace("_", "-") for path in Path(__file__).with_name("commands").glob("[!_]*.py"))


def main() -> None:
    """Run the command that the first word names: only its module is imported."""
    name, *words = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print("Usage: karyocyte COMMAND ...", *COMMANDS, "karyocyte COMMAND --help explains a command.", sep="\n  ")
        return
    if name not in COMMANDS:
        sys.exit(f"error: there is no command {name}; {close_names(name, COMMANDS)}")
    module = name.replace("-", "_")
    # Lightning and the launchers of a sweep start further processes by the path of the program.
    sys.argv = [str(ROOT / "train.py" if module == "train" else ROOT / "scripts" / f"{module}.py"), *words]
    import_module(f"karyocyte.commands.{module}").app()


if __name__ == "__main__":
    main()
