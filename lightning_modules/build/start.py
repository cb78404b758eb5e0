"""The weights of another run, or of a portable model, that a training begins with: ``init_from``."""

from collections.abc import Sequence
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file
from karyocyte.config.schema import Config
from karyocyte.config.task import Classes, check_same_classes
from karyocyte.runs.facts import DataFacts, ModelFacts
from karyocyte.runs.portable import WEIGHTS, ClassifierDescription, PortableFolder, read_description
from karyocyte.runs.run import Run
from lightning_modules.modules.classifier import Classifier
from lightning_modules.support.checkpoint_io import load_checkpoint, load_exported


def load_start(model: Classifier, config: Config, folder: Path, classes: Sequence[str]) -> str:
    """Load the best weights of a finished run, or those of a portable model; return the SHA-256 of their file.

    With ``head.start=new`` the head stays as it is, and the classes may be others.
    """
    theirs: Classes
    is_portable = PortableFolder.is_portable(folder)
    if is_portable:
        portable = PortableFolder(folder)
        theirs = description = read_description(folder, ClassifierDescription)
        network = description.members[0].network
        path = portable.checked(portable.file(0, WEIGHTS))
        facts = ModelFacts(list(network.mean), list(network.std), network.args)
        orientation = network.orientation
    else:
        run = Run.open_finished(folder)
        path, theirs, facts = run.best_checkpoint, run.data, run.model
        orientation = bool(run.raw_config.get("head", {}).get("orientation", False))
    is_new = config.head.start == "new"
    if not is_new:
        ours = DataFacts(tuple(classes), classes[-1] if len(classes) == 2 else None)
        remedy = "say head.start=new to keep the backbone alone, or start from another run"
        check_same_classes(f"init_from={folder}", theirs, "this training", ours, remedy)
    if facts != model.facts():
        remedy = "use its weights= and model.args here too"
        raise UserError(
            f"init_from={folder}: its network has other arguments, or images of another mean and std: {remedy}"
        )
    if orientation != model.orientation and not is_new:
        key = f"head.orientation={str(orientation).lower()}"
        raise UserError(f"init_from={folder} was trained with {key}: set {key} here too")
    if is_portable:
        load_exported(model, path, keep_head=is_new)
    else:
        load_checkpoint(model, path, keep_head=is_new)
    return sha256_of_file(path)
