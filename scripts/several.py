"""Options that take every word after them, so that the shell's ``*`` works there too."""

import typer
from typer.core import TyperCommand


def several(*options: str) -> type[TyperCommand]:
    """Return a kind of command whose ``options`` (such as ``--against``) each take all words up to the next option."""

    class Several(TyperCommand):
        def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
            """Repeat the option before each of its words, as the parser wants it."""
            spread, within = [], None
            for position, argument in enumerate(args):
                if argument in options:
                    within = argument
                    if not args[position + 1 :] or args[position + 1].startswith("-"):
                        raise typer.BadParameter("names nothing", ctx, param_hint=argument)
                else:
                    within = None if argument.startswith("-") else within
                    spread += [within, argument] if within else [argument]
            return super().parse_args(ctx, spread)

    return Several
