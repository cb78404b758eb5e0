"""Everything but data and networks: settings, runs and files; evaluation; workflows; commands."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from karyocyte.loaded import LoadedModel


def load(model: str | PathLike[str], *more: str | PathLike[str]) -> "LoadedModel":
    """Load a trained model that predicts images in memory.

        model = karyocyte.load("outputs/<run>/seed=0")
        table = model.predict(images)

    Args:
        model: A finished run or an ensemble (folder, or a name such as ``cnmc/latest``), or a portable model.
        more: Further runs, which are averaged with it.

    Raises:
        UserError: It is no model, or cannot be read.
    """
    from karyocyte.loaded import LoadedModel
    from karyocyte.runs.names import resolve_run

    return LoadedModel([resolve_run(Path(each)) for each in (model, *more)])
