"""The tables of what the papers print: results/claims.csv and results/claims/."""

from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError


def read_claims(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read ``claims.csv``, a row per printed figure, of some papers or of all; a ``UserError`` names an unknown one."""
    table = read_table(results, "claims")
    for paper in sorted(set(papers) - set(table["paper"])):
        raise UserError(f"no claims of paper {paper}: choose from {', '.join(sorted(table['paper'].unique()))}")
    return table[table["paper"].isin(papers)] if papers else table


def read_table(results: Path, name: str) -> pd.DataFrame:
    """Read ``claims.csv`` or, by its name, a table of ``claims/`` as text, so that figures keep their digits.

    A ``UserError`` says that it is missing.
    """
    path = Path(results) / ("claims.csv" if name == "claims" else f"claims/{name}.csv")
    if not path.is_file():
        raise UserError(f"no printed figures at {path}: name the folder of measured results")
    return pd.read_csv(path, dtype=str, keep_default_na=False)
