"""Options that several command lines share."""

from enum import StrEnum
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
