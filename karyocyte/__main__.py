"""``karyocyte COMMAND ...``: train.py, the commands of scripts/ and those of installed packages, from any folder."""

import sys
from importlib import import_module
from pathlib import Path

from karyocyte.common.errors import close_names
from karyocyte.common.installed import entries
from karyocyte.common.paths import ROOT

OWN = {path.stem.replace("_", "-") for path in Path(__file__).with_name("commands").glob("[!_]*.py")}
COMMANDS = sorted(OWN | entries("commands").keys())


def module_of(name: str) -> str:
    """Return the module of a command, whose ``app`` runs it."""
    own = name.replace("_", "-") in OWN
    return f"karyocyte.commands.{name.replace('-', '_')}" if own else entries("commands")[name].module


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
    import_module(module_of(name)).app()


if __name__ == "__main__":
    main()
