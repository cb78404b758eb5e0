"""Words of messages."""


def counted(count: int, name: str) -> str:
    """Write a number of things: "1 cell", "2 cells"."""
    return f"{count:,} {name}{'s' * (count != 1)}"
