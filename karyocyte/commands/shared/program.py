"""A function as a command line. Scripts import this instead of Typer: an interrupt is quiet from here on."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

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
Accept = Annotated[bool, Option(checksums.OPTION, help=checksums.HELP)]


class HomeExpanded(TyperCommand):
    """A command whose words may begin with ``~``, also after ``=``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace ``~`` by the home."""
        return super().parse_args(ctx, list(map(expand_home, args)))


def program(command: Callable[..., None], *examples: str) -> typer.Typer:
    """Return the command line of a function, see ``report_user_errors``; examples are at the end of its help page."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    epilog = "\n".join(["[bold]Examples:[/bold]", *map(escape, examples)])
    app.command(epilog=epilog, cls=HomeExpanded)(report_user_errors()(_with_accept(command)))
    return app


def _with_accept(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option to accept changed files of runs, models and outputs."""

    @wraps(command)
    def accepting(*words: Any, accept_changes: bool = False, **options: Any) -> None:
        """Note whether changed files are accepted, and run the command."""
        checksums.Checksums.accepting = accept_changes
        command(*words, **options)

    # Typer reads the signature for the options, and the annotations for their types.
    own = signature(command)
    option = Parameter("accept_changes", Parameter.KEYWORD_ONLY, default=False, annotation=Accept)
    parameters = [*own.parameters.values(), option]
    accepting.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    accepting.__annotations__ = {**command.__annotations__, "accept_changes": Accept}
    return accepting
