"""The table of scripts/predict.py: its parquet file, which holds what a page needs to know beside the rows."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from karyocyte.common.errors import UserError, typed
from karyocyte.runs.predictions import PROBABILITY_PREFIX, check_probabilities, read_table, write_table

KEY = b"karyocyte_predicted"


@dataclass(frozen=True)
class PredictedFacts:
    """What a table of new images does not hold in its rows."""

    name: str  # of the run, or of the ensemble
    runs: tuple[str, ...]  # the folders that predicted
    classes: tuple[str, ...]  # in the order of the probabilities
    positive_class: str | None  # none where there are more than two classes
    rules: tuple[str, ...]  # sentences: when an image is to be reviewed
    warnings: tuple[str, ...]  # what limits the predictions, in sentences
    model: str | None = None  # the run or the ensemble as it was named, several with commas; None of an export


def write_predicted(path: Path, table: pd.DataFrame, facts: PredictedFacts) -> None:
    """Write a table and its facts as parquet, whole or not at all."""
    write_table(path, table, asdict(facts), KEY)


def is_predicted(path: Path) -> bool:
    """Tell whether a file is a table of ``write_predicted``."""
    if path.suffix != ".parquet" or not path.is_file():
        return False
    try:
        return KEY in (pq.read_schema(path).metadata or {})
    except Exception:  # damaged metadata raise errors of many kinds
        return False


def read_predicted(path: Path) -> tuple[pd.DataFrame, PredictedFacts]:
    """Read a table and its facts; a ``UserError`` says that the file is none of scripts/predict.py."""
    if not is_predicted(path):
        raise UserError(f"{path} is no table of scripts/predict.py: name the .parquet file beside its .csv")
    table, values = read_table(path, KEY)
    facts = typed(PredictedFacts, values, f"{path} is of another version", "predict the images again")
    columns = [PROBABILITY_PREFIX + name for name in facts.classes]
    check_probabilities(path, table.loc[table["status"] == "predicted", columns].to_numpy(float))
    return table, facts
