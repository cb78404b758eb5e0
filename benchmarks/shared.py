"""What benchmarks share: a table for the terminal."""

from collections.abc import Collection

import pandas as pd
from rich.console import Console


def show(table: pd.DataFrame, title: str, columns: Collection[str]) -> None:
    """Print some columns of a table."""
    from karyocyte.evaluation.tables.renderers import (
        frame_table,  # with the metrics: a second, for which --help would wait
    )

    Console().print(frame_table(table[[*columns]], title))
