"""Teachers: finished runs whose averaged probabilities a new run learns from (Hinton et al., arXiv:1503.02531)."""

from pathlib import Path

from common.cli import warn
from common.config.schema import Config
from common.errors import UserError
from common.files import sha256_of_file, sha256_of_value
from common.runs.address import TEACHER_CONFIGS, run_identity
from common.runs.run import Run
from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.leakage import seen_by_start
from lightning_modules.classifier import Classifier
from lightning_modules.load import load_run


def load_teachers(config: Config, data: ImageDataModule) -> list[Classifier]:
    """Load the models of ``loss.teachers``, in eval mode.

    Raises:
        UserError: One is no finished run, has other classes or prepares images in another way, or was trained or chosen
            on images that evaluate this run.
    """
    teachers = []
    for folder in map(Path, config.loss.teachers):
        teacher = load_run(folder)
        _check_fits(config, data, teacher.classes, teacher.config)
        seen = seen_by_start(folder, data.manifest, data.parts, data.protocol, "loss.teachers")
        if seen:
            warn(f"loss.teachers: {folder} has seen {seen} of the images that evaluate this run")
        teachers.append(teacher.classifier)
    return teachers


def teachers_content(config: Config) -> dict[str, str | None]:
    """Return hashes of the teachers, of weights and of configurations, for the identity of a run; empty without any.

    The weights differ by fold, the configurations and seeds, in any order, do not.
    """
    if not config.loss.teachers:
        return {}
    runs = [Run.open_finished(Path(folder)) for folder in config.loss.teachers]
    configs = sorted(sha256_of_value([run_identity(run.config, {}), run.config.name, run.config.seed]) for run in runs)
    return {
        "teachers": sha256_of_value([sha256_of_file(run.best_checkpoint) for run in runs]),
        TEACHER_CONFIGS: sha256_of_value(configs),
    }


def _check_fits(config: Config, data: ImageDataModule, classes: tuple[str, ...], theirs: Config) -> None:
    if classes != tuple(data.manifest.classes):
        ours = ", ".join(data.manifest.classes)
        raise UserError(f"loss.teachers: the classes of {theirs.name} are {', '.join(classes)}, here they are {ours}")
    if theirs.prepare != config.prepare:
        raise UserError(f"loss.teachers: {theirs.name} prepares images in another way: use its prepare keys here too")
