"""``scripts/explain.py pairs``."""

from pathlib import Path
from typing import Annotated

import typer

from common.cli import examples, report_user_errors
from scripts.shared import _options as options
from workflows.homologues.request import PairPageRequest

app = typer.Typer(rich_markup_mode="rich")


@app.command(epilog=examples("python scripts/explain.py pairs homologue_pairs/latest --output pairs"))
@report_user_errors()
def pairs(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of +experiment=homologue_pairs.")],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="New folder: index.html and index.csv.")],
    count: Annotated[int, typer.Option(min=1, help="Pairs of each group.")] = 30,
    data_dir: options.DataDir = None,
) -> None:
    """Show pairs of homologues of the test part side by side and aligned, with the true and the found place.

    Groups: rearranged pairs with the highest scores; untouched ones, and those with null surgery, with the highest
    scores; rearranged ones of 15 % of the length and more with the lowest scores; the pairs nearest to the threshold. A
    case shows each chromosome once in a group.
    """
    request = PairPageRequest(**locals())
    from workflows.homologues.pair_page import write_notable_pairs

    write_notable_pairs(request)
