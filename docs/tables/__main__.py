"""Write the tables of the documentation from results/*.csv, so that no figure in them is typed by hand."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.cli import report_user_errors

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Check = Annotated[bool, typer.Option(help="Change nothing; fail where a page differs from results/.")]
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)


@app.command()
@report_user_errors()
def tables(check: Check = False) -> None:
    """Fill every block between [bold]<!-- table: NAME -->[/bold] and [bold]<!-- /table -->[/bold] of the pages."""
    from common.errors import UserError
    from common.files import write_text
    from common.paths import ROOT

    for page in pages(ROOT):
        text = page.read_text(encoding="utf-8")
        filled = fill(text, ROOT / "results")
        if check and filled != text:
            raise UserError(f"{page.name} differs from results/: run python -m docs.tables")
        if filled != text:
            write_text(page, filled)


def pages(root: Path) -> list[Path]:
    """Return the pages of the documentation: README.md and docs/*.md."""
    return [root / "README.md", *sorted((root / "docs").glob("**/*.md"))]


def fill(text: str, results: Path) -> str:
    """Return ``text`` with the content of its table blocks made anew from ``results``.

    Raises:
        UserError: A block names an unknown table.
    """
    from common.errors import UserError
    from docs.tables.spec import TABLES

    for _, name, _ in BLOCK.findall(text):
        if name not in TABLES:
            raise UserError(f"unknown table {name}: there are {', '.join(TABLES)}")
    return BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]](results)}\n{block[3]}", text)


if __name__ == "__main__":
    app()
