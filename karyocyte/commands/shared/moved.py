"""Commands that have become a part of others: for one version their names answer with the new command."""

import shlex
import sys
from pathlib import Path

# The old name -> what is typed in its place, before the words of the old command.
MOVED = {
    "collect": "sweep_status.py --csv collected.csv",
    "compare": "evaluate.py --paper all",
    "error_analysis": "report.py",
}


def app() -> None:
    """Say what the command line of an old name is now, and end with status 2."""
    name = Path(sys.argv[0]).stem
    command = f"python scripts/{MOVED[name]} {shlex.join(sys.argv[1:])}".strip()
    print(f"error: {name} is a part of another command now: `{command}`", file=sys.stderr)
    raise SystemExit(2)
