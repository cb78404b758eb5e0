"""What benchmarks share: alternatives timed in turn, and a table for the terminal and for results/."""

import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from rich.console import Console

from common.errors import UserError
from common.files import write_csv
from common.paths import ROOT
from common.revision import revision


def show(table: pd.DataFrame, title: str, columns: Collection[str]) -> None:
    """Print some columns of a table."""
    from evaluation.renderers import frame_table  # with the metrics: a second, for which --help would wait

    Console().print(frame_table(table[[*columns]], title))


def write(table: pd.DataFrame, csv: Path | None, digits: int = 4) -> None:
    """Write a table with the revision of the code, where a file is named."""
    if csv:
        write_csv(csv, table.assign(revision=revision()).round(digits))


@contextmanager
def checkout(revision: str, root: Path = ROOT) -> Iterator[Path]:
    """Yield a temporary folder with the code of a revision of the repository at ``root``.

    Raises:
        UserError: git knows no such revision.
    """
    git = ["git", "-C", str(root), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        added = subprocess.run([*git, "add", "--detach", "--force", folder, revision], capture_output=True, text=True)
        if added.returncode:
            raise UserError(f"{revision}: git cannot check it out: {added.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run([*git, "remove", "--force", folder], check=True)
