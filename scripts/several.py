"""Options that take every word after them, so that the shell's ``*`` works there too."""

import typer
from typer.core import TyperCommand


def several(option: str) -> type[TyperCommand]:
    """Return a kind of command whose ``option`` (such as ``--against``) takes all words up to the next option."""

    class Several(TyperCommand):
        def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
            """Repeat the option before each of its words, as the parser wants it."""
            spread, within = [], False
            for position, argument in enumerate(args):
                if argument == option:
                    within = True
                    if not args[position + 1 :] or args[position + 1].startswith("-"):
                        raise typer.BadParameter("names nothing", ctx, param_hint=option)
                else:
                    within = within and not argument.startswith("-")
                    spread += [option, argument] if within else [argument]
            return super().parse_args(ctx, spread)

    return Several
