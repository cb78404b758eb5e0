"""How figures are written in the tables of README.md."""

import pandas as pd


def interval(value: float, low: float, high: float, sign: str = "") -> str:
    """Write a value and its interval with three digits; ``sign`` is "+" for differences."""
    ends = "" if pd.isna(low) else f" ({low:{sign}.3f} to {high:{sign}.3f})"
    return "undefined" if pd.isna(value) else f"{value:{sign}.3f}{ends}"


def markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown, its numbers as they are."""
    return table.to_markdown(index=False, disable_numparse=True)
