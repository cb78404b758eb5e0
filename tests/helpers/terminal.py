"""What a command prints on a terminal."""

from rich.console import Console, RenderableType


def printed(renderable: RenderableType, width: int = 80) -> str:
    """Return the text of a table on a terminal of so many characters."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()
