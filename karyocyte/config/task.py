"""The task of a classifier: what its outputs mean, and how its images are prepared. Weights and results carry it."""

from dataclasses import dataclass
from typing import Protocol

from karyocyte.common.errors import UserError
from karyocyte.config.data import PrepareConfig


class Classes(Protocol):
    """Whatever has classes: a run, its predictions, the images of a data set."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names in the order of the outputs; with two classes a single output is that of the last."""

    @property
    def positive_class(self) -> str | None:
        """The last of two classes; None where there are more."""


def check_same_classes(name: str, one: Classes, other_name: str, other: Classes, remedy: str) -> None:
    """Refuse two things of other classes, or of another order or positive class.

    Raises:
        UserError: It says what both have, by their names.
    """
    if (one.classes, one.positive_class) != (other.classes, other.positive_class):
        raise UserError(f"{name} tells {_told(one)} apart, {other_name} {_told(other)}: {remedy}")


def _told(task: Classes) -> str:
    positive = f" (positive {task.positive_class})" if task.positive_class else ""
    return ", ".join(task.classes) + positive


@dataclass(frozen=True)
class Task:
    """The classes of a classifier, and the preparation of its images."""

    classes: tuple[str, ...]
    positive_class: str | None
    prepare: PrepareConfig

    def check_evaluation(self, images: "Task") -> None:
        """Refuse images that this task's classifier cannot be evaluated on; of several classes some may be missing.

        Raises:
            UserError: They have a class that it does not know, another positive class, or another preparation.
        """
        if len(self.classes) == 2 or not set(images.classes) <= set(self.classes):
            remedy = "give the images the classifier's classes"
            check_same_classes("the classifier", self, "these images", images, remedy)
        own, theirs = self.prepare.model_dump(), images.prepare.model_dump()
        changed = [key for key in own if own[key] != theirs[key]]
        if changed:
            needed, given = (", ".join(f"{key}={values[key]}" for key in changed) for values in (own, theirs))
            remedy = "prepare them as it was trained, by the keys of the data module"
            raise UserError(f"the classifier was trained with {needed}, these images have {given}: {remedy}")
