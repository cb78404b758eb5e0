"""Command lines called in this process, and what they print on a terminal."""

import runpy

import typer
from rich.console import Console, RenderableType
from typer.testing import CliRunner, Result

from karyocyte.common.paths import ROOT


def printed(renderable: RenderableType, width: int = 80) -> str:
    """Return the text of a table on a terminal of so many characters."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def app_of(script: str) -> typer.Typer:
    """Return the command line of a file of scripts/, such as "prepare-data"."""
    app: typer.Typer = runpy.run_path(str(ROOT / "scripts" / f"{script.replace('-', '_')}.py"))["app"]
    return app


def run_app(app: typer.Typer, *arguments: object, code: int | None = 0, **environment: str) -> Result:
    """Call a command line, which must end with this exit code; None: with any, but no traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)
    if code is None:
        code = result.exit_code
        assert isinstance(result.exception, SystemExit | None), result.exception
    if result.exit_code != code and not isinstance(result.exception, SystemExit | None):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def error_of(result: Result) -> str:
    """Return the error of a command line, which must be all that it wrote to stderr, in one line."""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line
