"""How figures are written in the tables of README.md."""

import pandas as pd


def interval(value: float, low: float, high: float, sign: str = "") -> str:
    """Write a value and its interval with three digits; ``sign`` is "+" for differences."""
    if pd.isna(low):
        ends = ""
    else:
        ends = f" ({low:{sign}.3f} to {high:{sign}.3f})"
    if pd.isna(value):
        return "undefined"
    return f"{value:{sign}.3f}{ends}"


def markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown, its numbers as they are."""
    return table.to_markdown(index=False, disable_numparse=True)
