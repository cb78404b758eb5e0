"""One look for what the command lines print."""

from rich.console import Console

console = Console(highlight=False)


def say(title: str, *lines: str) -> None:
    """Print a bold title, and lines below it."""
    console.print(f"[bold]{title}[/bold]", soft_wrap=True)
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def warn(*lines: str) -> None:
    """Print each line as a warning."""
    for line in lines:
        console.print("[yellow]warning:[/yellow] ", end="")
        console.print(line, markup=False, soft_wrap=True)
