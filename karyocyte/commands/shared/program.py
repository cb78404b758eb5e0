"""A function as a command line. Scripts import this instead of Typer: an interrupt is quiet from here on."""

from collections.abc import Callable
from typing import Any

from karyocyte.common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer
from rich.markup import escape
from typer import Argument, Option
from typer.core import TyperCommand

from karyocyte.common import checksums
from karyocyte.common.cli import report_user_errors
from karyocyte.config.overrides import expand_home

__all__ = ["Argument", "Option", "program"]


class HomeExpanded(TyperCommand):
    """A command whose words may begin with ``~``, also after ``=``, and accept changed files of runs and outputs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace ``~`` by the home, and note whether changed files are accepted."""
        checksums.Checksums.accepting = checksums.OPTION in args
        return super().parse_args(ctx, [expand_home(word) for word in args if word != checksums.OPTION])


def program(command: Callable[..., None], *examples: str) -> typer.Typer:
    """Return the command line of a function, see ``report_user_errors``; examples are at the end of its help page."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    epilog = "\n".join([f"{checksums.OPTION}: {checksums.HELP}\n", "[bold]Examples:[/bold]", *map(escape, examples)])
    app.command(epilog=epilog, cls=HomeExpanded)(report_user_errors()(command))
    return app
