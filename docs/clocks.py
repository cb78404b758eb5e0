"""How long strangers take to their first result: ``python -m docs.clocks CHECKOUT --csv FILE``.

Reading is counted at 200 words a minute, up to the last command that is needed; the commands are run and timed.
"""

import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import typer

from docs.commands import blocks

WORDS_A_MINUTE = 200
EXPERIMENT = "conf/experiment/resnet34_cut.yaml"  # which docs/guides/extending.md adds


class Reader(NamedTuple):
    """What a reader wants: the page that README.md names for it, and what its first and last command contain."""

    wish: str
    page: str
    first: str
    last: str


ACTIVATE = "activate"
READERS = (
    Reader("reproduce paper 004", "docs/tutorials/reproduce_paper_004.md", ACTIVATE, "--output reproduction"),
    Reader("karyotype metaphases", "docs/tutorials/karyotype_a_metaphase.md", ACTIVATE, "scripts/karyotype.py"),
    Reader("karyotype cells", "docs/tutorials/karyotype_a_cell.md", ACTIVATE, "scripts/karyotype.py"),
    Reader("train on own images", "docs/tutorials/own_images.md", ACTIVATE, "train.py"),
    Reader("sweep on a cluster", "docs/tutorials/sweep_on_slurm.md", ACTIVATE, "train.py -m"),
    Reader("add a network", "docs/guides/extending.md", "resnet34_cut", "resnet34_cut"),
)


def clock(reader: Reader, checkout: Path) -> dict[str, object]:
    """Return the minutes of a reader to the own page, to the first command and to the first result."""
    readme, text = (checkout / "README.md").read_text(), (checkout / reader.page).read_text()
    typed = blocks(text)
    first, last = (next(n for n, block in enumerate(typed) if mark in block) for mark in (reader.first, reader.last))
    to_page, to_first, to_last = (
        _minutes(readme.split(reader.page)[0]),
        _minutes(text.split(typed[first])[0]),
        _minutes(text.split(typed[last])[0]),
    )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        for entry in checkout.iterdir():
            Path(place, entry.name).symlink_to(entry)
        for name, content in re.findall(r"^```yaml file=(\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if name == EXPERIMENT:
                (checkout / name).write_text(content)
        commands = "\n".join(["source .venv/bin/activate", *typed[first : last + 1]])
        subprocess.run(["bash", "-e"], input=commands, text=True, cwd=place, check=True)
    commands_minutes = (time.monotonic() - begun) / 60
    return {
        "page": to_page,
        "first_command": to_page + to_first,
        "commands": commands_minutes,
        "first_result": to_page + to_last + commands_minutes,
    }


def _minutes(text: str) -> float:
    return len(text.split()) / WORDS_A_MINUTE


def clocks(checkout: Path, csv: Annotated[Path, typer.Option()]) -> None:
    """Add the clocks of a checkout, which has its environment in .venv, to a table."""
    rows = pd.read_csv(csv).to_dict("records") if csv.exists() else []
    for reader in READERS:
        if (checkout / reader.page).exists():
            rows.append({"revision": checkout.name, "reader": reader.wish, **clock(reader, checkout)})
            pd.DataFrame(rows).round(1).to_csv(csv, index=False)


if __name__ == "__main__":
    typer.run(clocks)
