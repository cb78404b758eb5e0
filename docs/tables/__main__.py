"""Write the tables of README.md from results/*.csv, so that no figure in it is typed by hand."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.cli import report_user_errors

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Check = Annotated[bool, typer.Option(help="Change nothing; fail where README.md differs from the tables.")]
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)


@app.command()
@report_user_errors()
def readme(check: Check = False) -> None:
    """Fill every block between [bold]<!-- table: NAME -->[/bold] and [bold]<!-- /table -->[/bold] of README.md."""
    from common.errors import UserError
    from common.files import write_text
    from common.runs.run import ROOT
    from docs.tables.measured import TABLES

    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise UserError("README.md has no block <!-- table: NAME --> to fill")
    unknown = [name for _, name, _ in BLOCK.findall(text) if name not in TABLES]
    if unknown:
        raise UserError(f"README.md asks for the table {unknown[0]}: there are {', '.join(TABLES)}")
    filled = BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]](ROOT / 'results')}\n{block[3]}", text)
    if check and filled != text:
        raise UserError("README.md differs from results/: run python -m docs.tables")
    if not check:
        write_text(path, filled)


if __name__ == "__main__":
    app()
