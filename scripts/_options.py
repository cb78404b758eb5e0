"""Options that several command lines share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand


class Method(StrEnum):
    """How validation chooses the operating threshold."""

    YOUDEN = "youden"
    F1 = "f1"
    SENSITIVITY = "sensitivity"


Threshold = Annotated[Method, typer.Option(help="How validation chooses the threshold.")]
Sensitivity = Annotated[float, typer.Option(min=0.01, max=0.999, help="Sensitivity that the threshold must keep.")]

Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")]
ResultsCsv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table, or replace it.")]
RowLabel = Annotated[str, typer.Option(help="Name of the rows in the table.")]
ResamplingSeed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]


def several(*options: str) -> type[TyperCommand]:
    """Return a kind of command whose ``options`` (such as ``--against``) each take all words up to the next option."""

    class Several(TyperCommand):
        def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
            """Repeat the option before each of its words, as the parser wants it."""
            spread = []
            within = None
            for position, argument in enumerate(args):
                if argument in options:
                    within = argument
                    if not args[position + 1 :] or args[position + 1].startswith("-"):
                        raise typer.BadParameter("names nothing", ctx, param_hint=argument)
                else:
                    if argument.startswith("-"):
                        within = None
                    else:
                        within = within
                    spread += [within, argument] if within else [argument]
            return super().parse_args(ctx, spread)

    return Several
