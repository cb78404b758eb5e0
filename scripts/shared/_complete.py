"""Prints how the last word of a script's command line may go on, a line each: for scripts/completion.bash."""

import os
import runpy
import sys
from pathlib import Path

from typer._completion_classes import completion_init

if __name__ == "__main__":
    completion_init()  # as an app of Typer does with add_completion=True, which adds two options to every help page
    sys.argv = sys.argv[1:]
    name = Path(sys.argv[0]).name
    os.environ["COMP_WORDS"] = " ".join(sys.argv)
    os.environ["COMP_CWORD"] = str(len(sys.argv) - 1)
    os.environ[f"_{name}_COMPLETE".replace("-", "_").upper()] = "complete_bash"
    runpy.run_path(sys.argv[0], run_name="__main__")
