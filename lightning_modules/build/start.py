"""The weights of another run, or of an export, that a training begins with: ``init_from``."""

from collections.abc import Sequence
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file
from karyocyte.config.schema import Config
from karyocyte.config.task import check_same_classes
from karyocyte.runs.facts import DataFacts
from karyocyte.runs.run import Run
from lightning_modules.modules.classifier import Classifier
from lightning_modules.support.checkpoint_io import load_weights


def load_start(model: Classifier, config: Config, folder: Path, classes: Sequence[str]) -> str:
    """Load the best weights of a finished run, or those of an export; return the SHA-256 of their file.

    With ``head.start=new`` the head stays as it is, and the classes may be others.
    """
    run = Run.open_trained(folder)
    if run.is_ensemble:
        raise UserError(f"init_from={folder} is an ensemble, whose networks are several: name one of its members")
    is_new = config.head.start == "new"
    if not is_new:
        ours = DataFacts(tuple(classes), classes[-1] if len(classes) == 2 else None)
        remedy = "say head.start=new to keep the backbone alone, or start from another run"
        check_same_classes(f"init_from={folder}", run.data, "this training", ours, remedy)
    if run.model != model.facts():
        remedy = "use its weights= and model.args here too"
        raise UserError(
            f"init_from={folder}: its network has other arguments, or images of another mean and std: {remedy}"
        )
    orientation = bool(run.raw_config.get("head", {}).get("orientation", False))
    if orientation != model.orientation and not is_new:
        key = f"head.orientation={str(orientation).lower()}"
        raise UserError(f"init_from={folder} was trained with {key}: set {key} here too")
    load_weights(model, run.best_checkpoint, keep_head=is_new)
    return sha256_of_file(run.best_checkpoint)
