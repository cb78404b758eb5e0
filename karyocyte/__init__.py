"""Everything but data and networks: settings, runs and files; evaluation; workflows; commands."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from karyocyte.loaded import LoadedModel


def load(model: str | PathLike[str], *more: str | PathLike[str], network: "nn.Module | None" = None) -> "LoadedModel":
    """Load a trained model that predicts images.

        model = karyocyte.load("outputs/<run>/seed=0")
        table = model.predict(images)  # uint8 arrays, or paths

    Args:
        model: A finished run or an ensemble (folder, or a name such as ``cnmc/latest``), a portable model, or a
            checkpoint that a Trainer has saved of a classifier.
        more: Further runs, which are averaged with it.
        network: Of a checkpoint of a network of your own: the module, as `create_classifier` was given it.

    Raises:
        UserError: It is no model, or cannot be read.
    """
    from karyocyte.common.errors import UserError
    from karyocyte.loaded import LoadedModel
    from karyocyte.runs.names import resolve_run

    for each in (model, *more):
        if not isinstance(each, str | PathLike):
            raise UserError(f"{each!r} is no path: name the folder of a run, such as 'outputs/<run>/seed=0', or a file")
    return LoadedModel([resolve_run(Path(each)) for each in (model, *more)], network)
